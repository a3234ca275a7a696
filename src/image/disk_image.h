/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_DISK_IMAGE_H
#define IMAGE_DISK_IMAGE_H

#include "base/err.h"
#include "base/progress.h"
#include "image/partition.h"
#include "image/work.h"

/*
 * Disk images of others, which a process reads that has no right to anything (sys/confine.h). What it has found is
 * checked here.
 */

/* Bytes of a qcow2 image's disk: all of them are looked at. */
#define DISK_IMAGE_SIZE_MAX ((int64_t)2 << 40)

/* *ret_fd, the caller's: a file with the disk that the qcow2 image in fd has, without a name and with holes. */
int disk_image_unpack(const struct work *work, int fd, progress_fn progress, void *ctx, int *ret_fd,
		      struct err *err);

/* partition_read(), and for each ext4 whether there is a system in it (has_root). */
int disk_image_find(const struct work *work, int fd, struct partition_table *ret, struct err *err);

#endif
