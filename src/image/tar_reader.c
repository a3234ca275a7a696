// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/tar_reader.h"
#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

/*
 * Two of libarchive's readers in a row: the first one ("raw") only decompresses, so that the bytes
 * of the tar pass through here for their digest and bounds; the second one takes them as a tar.
 *
 * No locale is set: libarchive then keeps names as the bytes that they are (it reports a warning
 * for those that are not ASCII), where in a UTF-8 locale it would normalize them.
 */

#define TAR_READER_BLOCK  ((size_t)128 << 10)
#define TAR_READER_RECORD 512 /* of a tar */

struct tar_stream {
	struct archive *raw;
	struct digest *digest;
	int64_t total;
	char tail[TAR_READER_RECORD]; /* the last bytes of the stream, ending at total */
	struct err err;		      /* of a read on the second reader's behalf */
};

static int tar_stream_fail(struct tar_stream *stream, struct err *err)
{
	const char *why = archive_error_string(stream->raw);

	return err_set(err, -EBADMSG, "it is damaged or cut short: %s",
		       why ? why : "cannot be read");
}

int tar_stream_open(int fd, struct tar_stream **ret, struct err *err)
{
	_cleanup_tar_stream_ struct tar_stream *stream = mem_zalloc(sizeof(*stream));
	struct archive_entry *entry;
	int r;

	stream->digest = digest_new();
	stream->raw = archive_read_new();
	if (!stream->raw)
		return err_set(err, -ENOMEM, "out of memory");
	archive_read_support_filter_gzip(stream->raw);
	archive_read_support_filter_xz(stream->raw);
	archive_read_support_filter_zstd(stream->raw);
	archive_read_support_filter_bzip2(stream->raw);
	archive_read_support_format_raw(stream->raw);
	r = archive_read_open_fd(stream->raw, fd, TAR_READER_BLOCK);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(stream->raw, &entry);
	if (r != ARCHIVE_OK && !tar_stream_position(stream))
		return err_set(err, -EBADMSG, "it is empty");
	if (r < ARCHIVE_WARN)
		return tar_stream_fail(stream, err);
	*ret = take_ptr(stream);
	return 0;
}

void tar_stream_free(struct tar_stream *stream)
{
	if (!stream)
		return;
	if (stream->raw)
		archive_read_free(stream->raw);
	digest_free(stream->digest);
	free(stream);
}

int64_t tar_stream_position(struct tar_stream *stream)
{
	return archive_filter_bytes(stream->raw, -1);
}

static void tar_stream_keep_tail(struct tar_stream *stream, const char *data, size_t len)
{
	size_t size = sizeof(stream->tail);

	if (len >= size) {
		memcpy(stream->tail, data + len - size, size);
	} else {
		memmove(stream->tail, stream->tail + len, size - len);
		memcpy(stream->tail + size - len, data, len);
	}
}

int tar_stream_read(struct tar_stream *stream, const void **ret_data, size_t *ret_len,
		    struct err *err)
{
	la_int64_t offset;
	int r;

	do {
		r = archive_read_data_block(stream->raw, ret_data, ret_len, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return tar_stream_fail(stream, err);
	} while (!*ret_len);
	stream->total += (int64_t)*ret_len;
	if (stream->total > TAR_READER_RATIO_FREE &&
	    stream->total / TAR_READER_RATIO_MAX > tar_stream_position(stream))
		return err_set(err, -EFBIG,
			       "it is a decompression bomb: %lld bytes came out of %lld",
			       (long long)stream->total, (long long)tar_stream_position(stream));
	digest_add(stream->digest, *ret_data, *ret_len);
	tar_stream_keep_tail(stream, *ret_data, *ret_len);
	return 1;
}

void tar_stream_digest(struct tar_stream *stream, char hex[DIGEST_HEX_SIZE])
{
	digest_hex(stream->digest, hex);
}

struct tar_reader {
	struct tar_stream *stream;
	struct archive *tar;
	struct archive_entry *entry;
};

static la_ssize_t tar_reader_pull(struct archive *tar _unused_, void *ctx, const void **ret_data)
{
	struct tar_stream *stream = ctx;
	size_t len = 0;
	int r = tar_stream_read(stream, ret_data, &len, &stream->err);

	return r <= 0 ? r : (la_ssize_t)len;
}

static int tar_reader_fail(struct tar_reader *reader, struct err *err)
{
	const char *why = archive_error_string(reader->tar);

	if (err_is_set(&reader->stream->err))
		return err_set(err, reader->stream->err.code, "%s", reader->stream->err.msg);
	if (why && strstr(why, "Unrecognized archive format"))
		return err_set(err, -EBADMSG, "it is no tar archive");
	return err_set(err, -EBADMSG, "it is damaged or cut short: %s",
		       why ? why : "cannot be read");
}

int tar_reader_open(struct tar_stream *stream, struct tar_reader **ret, struct err *err)
{
	_cleanup_tar_reader_ struct tar_reader *reader = mem_zalloc(sizeof(*reader));

	reader->stream = stream;
	reader->tar = archive_read_new();
	if (!reader->tar)
		return err_set(err, -ENOMEM, "out of memory");
	archive_read_support_format_tar(reader->tar);
	if (archive_read_open(reader->tar, stream, NULL, tar_reader_pull, NULL) < ARCHIVE_WARN)
		return tar_reader_fail(reader, err);
	*ret = take_ptr(reader);
	return 0;
}

void tar_reader_free(struct tar_reader *reader)
{
	if (!reader)
		return;
	if (reader->tar)
		archive_read_free(reader->tar);
	free(reader);
}

int tar_reader_next(struct tar_reader *reader, struct tar_item *ret, struct err *err)
{
	int r = archive_read_next_header(reader->tar, &reader->entry);
	struct archive_entry *entry = reader->entry;
	const char *hard_link;

	if (r == ARCHIVE_EOF && !err_is_set(&reader->stream->err))
		return 0;
	if (r < ARCHIVE_WARN || r == ARCHIVE_EOF)
		return tar_reader_fail(reader, err);
	hard_link = archive_entry_hardlink(entry);
	*ret = (struct tar_item){
		.path = archive_entry_pathname(entry),
		.link = hard_link ? hard_link : archive_entry_symlink(entry),
		.is_hard_link = hard_link != NULL,
		.mode = archive_entry_mode(entry),
		.uid = archive_entry_uid(entry),
		.gid = archive_entry_gid(entry),
		.size = archive_entry_size(entry),
		.mtime = { .tv_sec = archive_entry_mtime(entry),
			   .tv_nsec = archive_entry_mtime_nsec(entry) },
		.major = (int64_t)archive_entry_rdevmajor(entry),
		.minor = (int64_t)archive_entry_rdevminor(entry),
	};
	if (!ret->path)
		return err_set(err, -EBADMSG, "it is damaged: an entry has no name");
	archive_entry_xattr_reset(entry);
	archive_entry_sparse_reset(entry);
	return 1;
}

int tar_reader_data(struct tar_reader *reader, const void **ret_data, size_t *ret_len,
		    int64_t *ret_offset, struct err *err)
{
	la_int64_t offset = 0;
	int r = archive_read_data_block(reader->tar, ret_data, ret_len, &offset);

	if (r == ARCHIVE_EOF && !err_is_set(&reader->stream->err))
		return 0;
	if (r < ARCHIVE_WARN || r == ARCHIVE_EOF)
		return tar_reader_fail(reader, err);
	*ret_offset = offset;
	return 1;
}

int tar_reader_xattr(struct tar_reader *reader, const char **ret_name, const void **ret_value,
		     size_t *ret_len)
{
	return archive_entry_xattr_next(reader->entry, ret_name, ret_value, ret_len) == ARCHIVE_OK;
}

int tar_reader_extent(struct tar_reader *reader, int64_t *ret_offset, int64_t *ret_len)
{
	la_int64_t offset = 0, len = 0;
	int r = archive_entry_sparse_next(reader->entry, &offset, &len);

	*ret_offset = offset;
	*ret_len = len;
	return r == ARCHIVE_OK;
}

int tar_reader_finish(struct tar_reader *reader, int want_end, struct err *err)
{
	static const char zeroes[TAR_READER_RECORD];
	struct tar_stream *stream = reader->stream;
	const void *data;
	size_t len;
	int r;

	do {
		r = tar_stream_read(stream, &data, &len, err);
	} while (r > 0);
	if (r == 0 && want_end &&
	    (stream->total < TAR_READER_RECORD || memcmp(stream->tail, zeroes, sizeof(zeroes))))
		return err_set(err, -EBADMSG, "it is cut short: the end of the archive is missing");
	return r;
}
