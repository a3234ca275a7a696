/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_TAR_READER_H
#define IMAGE_TAR_READER_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "image/digest.h"

/*
 * Reading tar archives, plain or compressed (gzip, xz, zstd, bzip2; which one follows from the
 * bytes), while their digest is made. The only user of libarchive. The bytes are hostile; what comes out is
 * bounded in size by TAR_READER_RATIO_MAX but otherwise as the archive says.
 */

/* Zeroes compress 1032 times with gzip at most, and more with zstd; a file of real data never comes
 * near that. Small archives are let through, for holes written out as zeroes. */
#define TAR_READER_RATIO_MAX  1024
#define TAR_READER_RATIO_FREE ((int64_t)4 << 30)

/* The bytes of a file after decompression. */
struct tar_stream;

/* Reads fd from where it stands; fd stays the caller's. */
int tar_stream_open(int fd, struct tar_stream **ret, struct err *err);
void tar_stream_free(struct tar_stream *stream);
/* 1 with the next bytes, valid until the next call; 0 at the end. */
int tar_stream_read(struct tar_stream *stream, const void **ret_data, size_t *ret_len,
		    struct err *err);
/* How many bytes of the file were read so far. */
int64_t tar_stream_position(struct tar_stream *stream);
/* The digest of all decompressed bytes; after the end. */
void tar_stream_digest(struct tar_stream *stream, char hex[DIGEST_HEX_SIZE]);

static inline void tar_stream_freep(struct tar_stream **stream)
{
	tar_stream_free(*stream);
}
#define _cleanup_tar_stream_ _cleanup_(tar_stream_freep)

/* An entry. The strings are valid until the next entry is read. */
struct tar_item {
	const char *path;
	const char *link; /* target of a symbolic link, path of a hard link; else NULL */
	int is_hard_link;
	mode_t mode; /* with the type; a hard link has none */
	int64_t uid, gid;
	int64_t size; /* of a regular file, with its holes */
	struct timespec mtime;
	int64_t major, minor; /* of a device */
};

struct tar_reader;

/* stream stays the caller's and must outlive the reader. */
int tar_reader_open(struct tar_stream *stream, struct tar_reader **ret, struct err *err);
void tar_reader_free(struct tar_reader *reader);
/* 1 with the next entry, 0 at the end of the archive. */
int tar_reader_next(struct tar_reader *reader, struct tar_item *ret, struct err *err);
/* 1 with more data of the entry, which goes to *ret_offset (what is left out is a hole); 0 at its
 * end. */
int tar_reader_data(struct tar_reader *reader, const void **ret_data, size_t *ret_len,
		    int64_t *ret_offset, struct err *err);
/* 1 with the entry's next extended attribute, 0 after the last. */
int tar_reader_xattr(struct tar_reader *reader, const char **ret_name, const void **ret_value,
		     size_t *ret_len);
/* Of a file with holes: 1 with the next place that has data, 0 after the last; one without holes has none. To be asked
 * before the data is read. */
int tar_reader_extent(struct tar_reader *reader, int64_t *ret_offset, int64_t *ret_len);
/*
 * After the end of the archive: reads the rest of the stream. If the end is wanted, a stream that
 * does not end with a block of zeroes, as tar archives do, is refused as cut short.
 */
int tar_reader_finish(struct tar_reader *reader, int want_end, struct err *err);

static inline void tar_reader_freep(struct tar_reader **reader)
{
	tar_reader_free(*reader);
}
#define _cleanup_tar_reader_ _cleanup_(tar_reader_freep)

#endif
