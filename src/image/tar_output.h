/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_TAR_OUTPUT_H
#define IMAGE_TAR_OUTPUT_H

#include <stddef.h>

#include "image/tar_reader.h"

/*
 * Writing tar archives: ustar where that can say it, pax where it cannot (long names, large numbers, nanoseconds,
 * extended attributes, holes), as every reader of images takes them.
 */
struct tar_output;

/* fd stays the caller's. */
struct tar_output *tar_output_new(int fd);
void tar_output_free(struct tar_output *writer);

/* What the next entry has besides its item. */
void tar_output_xattr(struct tar_output *writer, const char *name, const void *value, size_t len);
/* That there is data from offset on for len bytes, in the order of offsets; what no call names, if there is one, is a
 * hole. A file of nothing but a hole has one extent of no bytes, at its end. */
void tar_output_extent(struct tar_output *writer, int64_t offset, int64_t len);
/* Begins an entry. A folder's path need not end in '/'. */
int tar_output_add(struct tar_output *writer, const struct tar_item *item, struct err *err);
/* Its bytes, or those of its extents, all of them and no more. */
int tar_output_data(struct tar_output *writer, const void *data, size_t len, struct err *err);
/* The end of the archive. */
int tar_output_finish(struct tar_output *writer, struct err *err);

static inline void tar_output_freep(struct tar_output **writer)
{
	tar_output_free(*writer);
}
#define _cleanup_tar_output_ _cleanup_(tar_output_freep)

#endif
