/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_COMPRESS_H
#define IMAGE_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/tar_reader.h"

/* Fast before small: level 1 takes half the time of level 3 and a fifth more room. */
#define COMPRESS_LEVEL 1

/* Writes what it is given to a descriptor, compressed with zstd. */
struct compress;

struct compress *compress_new(int out, struct err *err); /* NULL with err set */
void compress_free(struct compress *compress);
int compress_add(struct compress *compress, const void *data, size_t len, struct err *err);
/* Nothing can be added afterwards. */
int compress_end(struct compress *compress, struct err *err);

static inline void compress_freep(struct compress **compress)
{
	compress_free(*compress);
}
#define _cleanup_compress_ _cleanup_(compress_freep)

/* Writes all of the stream to out, compressed with zstd. progress, if not NULL, hears of each
 * block. */
int compress_stream(struct tar_stream *stream, int out,
		    void (*progress)(void *ctx, int64_t position), void *ctx, struct err *err);

#endif
