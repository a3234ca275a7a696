/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_YAML_WALK_H
#define IMAGE_YAML_WALK_H

#include <stddef.h>

#include "base/err.h"

/* YAML as programs dump settings in it. Anchors, tags, keys that are no scalars and further documents are refused. */
#define YAML_TEXT_MAX  ((size_t)512 << 10)
#define YAML_DEPTH_MAX 16
#define YAML_PATH_MAX  1024

/*
 * Called for each scalar: path is the keys above it, joined by '\t', an item of a list having the key "-"; a key may
 * have dots, as settings do. Other than 0 ends the walk with it.
 */
typedef int (*yaml_fn)(void *ctx, const char *path, const char *value, struct err *err);

int yaml_walk(const char *text, size_t len, yaml_fn fn, void *ctx, struct err *err);

#endif
