/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_DECOMPRESS_H
#define IMAGE_DECOMPRESS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Unpacks what kernels and their modules are compressed with, from memory to memory. The input is
 * hostile: the output and the decoders' own memory are bounded.
 */
struct decompress_format {
	const char *name; /* "lz4", "xz"... as people call it */
	const char *magic;
	size_t magic_len;
	/* Unpacks into room for size bytes; see decompress_into(). NULL: known, but not unpacked here. */
	int (*into)(const void *in, size_t in_len, void *out, size_t size, size_t *ret_len);
};

/* Which format starts like data; NULL: none that is known. */
const struct decompress_format *decompress_detect(const void *data, size_t len);

/*
 * Unpacks into out, which has room for size bytes. Bytes after the end of the compressed stream are
 * left alone. -ENOBUFS: there is more output; -EBADMSG: corrupt or truncated; -ENOMEM: the decoder
 * wants more memory than a kernel needs; -EOPNOTSUPP: a format that is not unpacked here.
 */
int decompress_into(const struct decompress_format *format, const void *in, size_t in_len,
		    void *out, size_t size, size_t *ret_len);

/* The same into memory that grows to what is needed, -EFBIG beyond max. Caller frees. */
int decompress_new(const struct decompress_format *format, const void *in, size_t in_len,
		   size_t max, char **ret, size_t *ret_len);

/*
 * The bytes of a descriptor from where it stands: as they are, or unpacked if they begin as zstd's do. Then they have to be
 * one frame, which is checked with its checksum, up to the descriptor's end.
 */
struct decompress_stream;

struct decompress_stream *decompress_stream_new(int fd, struct err *err); /* NULL with err set */
void decompress_stream_free(struct decompress_stream *stream);
/* The next bytes, at most size; 0: the end. -EBADMSG: damaged, cut, or something follows. */
ssize_t decompress_stream_read(struct decompress_stream *stream, void *data, size_t size,
			       struct err *err);

static inline void decompress_stream_freep(struct decompress_stream **stream)
{
	decompress_stream_free(*stream);
}
#define _cleanup_decompress_stream_ _cleanup_(decompress_stream_freep)

#endif
