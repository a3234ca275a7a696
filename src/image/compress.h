/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_COMPRESS_H
#define IMAGE_COMPRESS_H

#include <stdint.h>

#include "base/err.h"
#include "image/tar_reader.h"

/* Fast before small: level 1 takes half the time of level 3 and a fifth more room. */
#define COMPRESS_LEVEL 1

/* Writes all of the stream to out, compressed with zstd. progress, if not NULL, hears of each
 * block. */
int compress_stream(struct tar_stream *stream, int out,
		    void (*progress)(void *ctx, int64_t position), void *ctx, struct err *err);

#endif
