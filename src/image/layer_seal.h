/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_LAYER_SEAL_H
#define IMAGE_LAYER_SEAL_H

#include <stddef.h>

#include "image/digest.h"

/*
 * The digest of a layer's erofs image, which is of what mkfs.erofs made and no name of anything: its 64 digits are kept in
 * an extended attribute of the file, so that they come and go with it. The image of an older brig, or on a file system
 * without such attributes, has none.
 */
#define LAYER_SEAL "trusted.brig.sha256"

/* Reads fd from where it stands. A file system without attributes is no error. */
int layer_seal_set(int fd);
/* 1: the data are those that were sealed; 0: they are not; -ENODATA: it has no seal. each() as in digest_of_file(). */
int layer_seal_check(int fd, void (*each)(void *ctx, size_t n), void *ctx);

#endif
