/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_REGISTRY_H
#define CLI_REGISTRY_H

#include "base/err.h"

/* Fetches an image as `brig pull` does, and tells of it on stderr. */
int registry_bring_image(const char *root, const char *reference, struct err *err);
/* Is that a name that a registry could have, and no digest alone? */
int registry_may_have(const char *reference);

#endif
