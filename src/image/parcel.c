// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The format, compressed as a whole or not: 8 bytes of magic, u32 version, and then chunks of u8 type, u32 length, and
 * payload (proto/wire.h), in this order:
 *
 *   DOCUMENT  text; PARCEL_DOCUMENTS of them
 *   TREE      bytes of an exact tree stream, in pieces; any number
 *   END       SHA-256 of all before this chunk, in 64 hex digits; nothing follows
 *
 *  1. A chunk has at most PARCEL_DOCUMENT_MAX or PARCEL_PIECE_MAX bytes, and memory is held for one of them.
 *  2. Success means that the checksum was right and that nothing follows, neither here nor behind the compressed bytes.
 */
#include "image/parcel.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/compress.h"
#include "image/decompress.h"
#include "image/digest.h"
#include "proto/wire.h"

#include <string.h>

#define PARCEL_MAGIC	 "BRIGBKUP"
#define PARCEL_MAGIC_LEN (sizeof(PARCEL_MAGIC) - 1)
#define PARCEL_VERSION	 1
#define PARCEL_HEAD	 5
#define PARCEL_PIECE_MAX ((size_t)1 << 20)

enum parcel_chunk { PARCEL_DOCUMENT = 1, PARCEL_TREE, PARCEL_END };

/* What the two ends of a format have to agree on: how large each kind of chunk may be. */
static const size_t parcel_chunk_max[] = {
	[PARCEL_DOCUMENT] = PARCEL_DOCUMENT_MAX,
	[PARCEL_TREE] = PARCEL_PIECE_MAX,
	[PARCEL_END] = DIGEST_HEX_LEN,
};

const char *const parcel_compressions[] = { [PARCEL_ZSTD] = "zstd", [PARCEL_PLAIN] = "none", NULL };

/* zstd's own memory comes by mmap. */
const char *const parcel_syscalls[] = {
	"read",	   "write", "close",	 "fstat",	 "brk",	 "mmap",       "munmap", "mremap",
	"madvise", "futex", "getrandom", "rt_sigreturn", "exit", "exit_group", NULL,
};

/* --- writing --- */

struct parcel {
	int fd;
	struct compress *compress; /* NULL: plain */
	struct digest *digest;
};

static int parcel_put(struct parcel *parcel, const void *data, size_t len, struct err *err)
{
	int r;

	digest_add(parcel->digest, data, len);
	if (parcel->compress)
		return compress_add(parcel->compress, data, len, err);
	r = file_write_all(parcel->fd, data, len);
	return r < 0 ? err_errno(err, r, "cannot write") : 0;
}

static int parcel_put_chunk(struct parcel *parcel, enum parcel_chunk type, const void *data,
			    size_t len, struct err *err)
{
	_cleanup_buf_ struct buf head = BUF_INIT;
	int r;

	if (len > parcel_chunk_max[type])
		return err_set(err, -E2BIG, "a part of %zu bytes is too large", len);
	wire_put_u8(&head, (uint8_t)type);
	wire_put_u32(&head, (uint32_t)len);
	r = parcel_put(parcel, head.data, head.len, err);
	return r < 0 ? r : parcel_put(parcel, data, len, err);
}

static int parcel_put_front(struct parcel *parcel, struct err *err)
{
	_cleanup_buf_ struct buf front = BUF_INIT;

	buf_add(&front, PARCEL_MAGIC, PARCEL_MAGIC_LEN);
	wire_put_u32(&front, PARCEL_VERSION);
	return parcel_put(parcel, front.data, front.len, err);
}

struct parcel *parcel_new(int fd, enum parcel_compression compression, struct err *err)
{
	_cleanup_parcel_ struct parcel *parcel = mem_zalloc(sizeof(*parcel));

	*parcel = (struct parcel){ .fd = fd, .digest = digest_new() };
	if (compression == PARCEL_ZSTD) {
		parcel->compress = compress_new(fd, err);
		if (!parcel->compress)
			return NULL;
	}
	return parcel_put_front(parcel, err) < 0 ? NULL : take_ptr(parcel);
}

void parcel_free(struct parcel *parcel)
{
	if (!parcel)
		return;
	compress_free(parcel->compress);
	digest_free(parcel->digest);
	free(parcel);
}

int parcel_document(struct parcel *parcel, const char *text, struct err *err)
{
	return parcel_put_chunk(parcel, PARCEL_DOCUMENT, text, strlen(text), err);
}

int parcel_tree(struct parcel *parcel, const void *data, size_t len, struct err *err)
{
	const char *at = data;

	while (len) {
		size_t n = len < PARCEL_PIECE_MAX ? len : PARCEL_PIECE_MAX;

		if (parcel_put_chunk(parcel, PARCEL_TREE, at, n, err) < 0)
			return err->code;
		at += n;
		len -= n;
	}
	return 0;
}

int parcel_end(struct parcel *parcel, struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	int r;

	digest_hex(parcel->digest, hex);
	r = parcel_put_chunk(parcel, PARCEL_END, hex, DIGEST_HEX_LEN, err);
	return r < 0 || !parcel->compress ? r : compress_end(parcel->compress, err);
}

/* --- reading --- */

struct parcel_reader {
	struct decompress_stream *stream;
	struct digest *digest;
	int out;
	char *piece;			/* room for the chunk in work */
	char checksum[DIGEST_HEX_SIZE]; /* once all was read */
	size_t size;
	struct err *err;
};

static void parcel_reader_release(struct parcel_reader *reader)
{
	decompress_stream_free(reader->stream);
	digest_free(reader->digest);
	free(reader->piece);
}

static int parcel_broken(const struct parcel_reader *reader, const char *what)
{
	return err_set(reader->err, -EBADMSG, "the backup is damaged: %s", what);
}

/* Fills data; with less it is cut. */
static int parcel_get(struct parcel_reader *reader, void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = decompress_stream_read(reader->stream, (char *)data + done, len - done,
						   reader->err);

		if (n < 0)
			return err_wrap(reader->err, "the backup cannot be read");
		if (!n)
			return parcel_broken(reader, "it is cut short");
		done += (size_t)n;
	}
	return 0;
}

static int parcel_get_front(struct parcel_reader *reader)
{
	char front[PARCEL_MAGIC_LEN + sizeof(uint32_t)];
	struct err cut = ERR_INIT, *err = reader->err;
	struct wire_reader version;
	uint32_t found;
	int r;

	reader->err = &cut;
	r = parcel_get(reader, front, sizeof(front));
	reader->err = err;
	if (r < 0 && r != -EBADMSG) {
		*err = cut;
		return r;
	}
	if (r < 0 || memcmp(front, PARCEL_MAGIC, PARCEL_MAGIC_LEN) != 0)
		return err_set(err, -EBADMSG,
			       "this is no backup that 'brig export' made; 'brig image import' "
			       "takes images and root file systems");
	version = wire_read(front + PARCEL_MAGIC_LEN, sizeof(uint32_t));
	found = wire_get_u32(&version);
	if (found != PARCEL_VERSION)
		return err_set(err, -EPROTO,
			       "the backup has version %u, and this brig reads version %u", found,
			       PARCEL_VERSION);
	digest_add(reader->digest, front, sizeof(front));
	return 0;
}

/* The next chunk's payload is in piece then; the type, or -errno. The END is no part of the digest. */
static int parcel_get_chunk(struct parcel_reader *reader, size_t *ret_len)
{
	char head[PARCEL_HEAD];
	struct wire_reader r;
	uint32_t len;
	int type;

	if (parcel_get(reader, head, sizeof(head)) < 0)
		return reader->err->code;
	r = wire_read(head, sizeof(head));
	type = wire_get_u8(&r);
	len = wire_get_u32(&r);
	if (type < PARCEL_DOCUMENT || type > PARCEL_END || !len || len > parcel_chunk_max[type])
		return parcel_broken(reader, "what is in it is out of bounds");
	if (len > reader->size) {
		reader->piece = mem_realloc(reader->piece, len, 1);
		reader->size = len;
	}
	if (parcel_get(reader, reader->piece, len) < 0)
		return reader->err->code;
	if (type != PARCEL_END) {
		digest_add(reader->digest, head, sizeof(head));
		digest_add(reader->digest, reader->piece, len);
	}
	*ret_len = len;
	return type;
}

static int parcel_send(const struct parcel_reader *reader, const void *data, size_t len)
{
	int r = file_write_all(reader->out, data, len);

	return r < 0 ? err_errno(reader->err, r, "cannot pass the backup on") : 0;
}

static int parcel_read_documents(struct parcel_reader *reader)
{
	for (int i = 0; i < PARCEL_DOCUMENTS; i++) {
		_cleanup_buf_ struct buf head = BUF_INIT;
		size_t len = 0;
		int type = parcel_get_chunk(reader, &len);

		if (type < 0)
			return type;
		if (type != PARCEL_DOCUMENT)
			return parcel_broken(reader, "it does not begin as one");
		wire_put_u32(&head, (uint32_t)len);
		if (parcel_send(reader, head.data, head.len) < 0 ||
		    parcel_send(reader, reader->piece, len) < 0)
			return reader->err->code;
	}
	return 0;
}

static int parcel_check_end(struct parcel_reader *reader, size_t len)
{
	char more;
	ssize_t n;

	digest_hex(reader->digest, reader->checksum);
	if (len != DIGEST_HEX_LEN || memcmp(reader->checksum, reader->piece, DIGEST_HEX_LEN) != 0)
		return parcel_broken(reader, "its checksum is another one");
	n = decompress_stream_read(reader->stream, &more, 1, reader->err);
	if (n < 0)
		return err_wrap(reader->err, "the backup is damaged");
	return n ? parcel_broken(reader, "something follows where it ends") : 0;
}

static int parcel_read_all(struct parcel_reader *reader)
{
	size_t len = 0;
	int type, r = parcel_get_front(reader);

	if (r == 0)
		r = parcel_read_documents(reader);
	while (r == 0) {
		type = parcel_get_chunk(reader, &len);
		if (type < 0)
			return type;
		if (type == PARCEL_END)
			return parcel_check_end(reader, len);
		r = type == PARCEL_TREE ? parcel_send(reader, reader->piece, len)
					: parcel_broken(reader, "what is in it is out of order");
	}
	return r;
}

int parcel_read(int in, int out, char checksum[DIGEST_HEX_SIZE], struct err *err)
{
	_cleanup_(parcel_reader_release) struct parcel_reader reader = { .out = out, .err = err };
	int r;

	reader.stream = decompress_stream_new(in, err);
	if (!reader.stream)
		return err->code;
	reader.digest = digest_new();
	r = parcel_read_all(&reader);
	if (r < 0)
		return r;
	memcpy(checksum, reader.checksum, sizeof(reader.checksum));
	return 0;
}

static int parcel_receive(int fd, void *data, size_t len, struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, -errno, "cannot read the backup");
		if (!n)
			return err_set(err, -EPIPE, "the backup broke off");
		done += (size_t)n;
	}
	return 0;
}

int parcel_receive_document(int fd, char **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char head[sizeof(uint32_t)];
	struct wire_reader r;
	uint32_t len;

	if (parcel_receive(fd, head, sizeof(head), err) < 0)
		return err->code;
	r = wire_read(head, sizeof(head));
	len = wire_get_u32(&r);
	if (!len || len > PARCEL_DOCUMENT_MAX)
		return err_set(err, -EBADMSG, "the backup is damaged: its head is out of bounds");
	text = mem_zalloc((size_t)len + 1);
	if (parcel_receive(fd, text, len, err) < 0)
		return err->code;
	*ret = take_ptr(text);
	return 0;
}
