/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_DISK_LAYER_H
#define IMAGE_DISK_LAYER_H

#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "image/ext4_layer.h"
#include "image/work.h"

/*
 * Layers of images out of disks. What a disk holds is whatever its guest or its maker wrote: it is never mounted, and
 * read by processes with no right to anything (sys/confine.h).
 */

/*
 * The tar, at its begin, of what is in the ext4 at start of the image (len bytes of it; 0: to its end): *ret_fd, a
 * nameless file, is the caller's. folder: see struct ext4_layer_source. A file system that was not unmounted is repaired
 * first, in a copy.
 */
int disk_layer_read(const struct work *work, int image, int64_t start, int64_t len,
		    const char *folder, progress_fn progress, void *ctx, int *ret_fd,
		    struct ext4_layer_found *ret, struct err *err);

/* An empty folder of the work folder, for such a process to have as its root. */
int disk_layer_jail(const struct work *work, struct err *err);

/* Replaces *image by a copy of the file system in it, in the folder work, that e2fsck has repaired. */
int disk_layer_repair(int *image, int64_t start, int64_t len, const char *work, struct err *err);

#endif
