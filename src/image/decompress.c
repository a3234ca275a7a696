// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/decompress.h"
#include "base/mem.h"

#include <endian.h>
#include <limits.h>
#include <lz4.h>
#include <lzma.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* Kernels are packed with dictionaries of up to 128 MiB (zstd -22 --ultra, xz). */
#define DECOMPRESS_MEMORY_MAX (UINT64_C(192) << 20)

/* lz4's legacy frame: the magic number, then blocks of this many bytes when unpacked, each after its
 * packed size in 32 bits; no checksum and no end mark. Frames may follow one another. */
#define DECOMPRESS_LZ4_MAGIC UINT32_C(0x184c2102)
#define DECOMPRESS_LZ4_BLOCK (8 << 20)

static int decompress_gzip(const void *in, size_t in_len, void *out, size_t size, size_t *ret_len)
{
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)in, .next_out = out };
	int r;

	if (in_len > UINT_MAX || size > UINT_MAX)
		return -EBADMSG;
	stream.avail_in = (uInt)in_len;
	stream.avail_out = (uInt)size;
	if (inflateInit2(&stream, MAX_WBITS + 16) != Z_OK)
		return -ENOMEM;
	r = inflate(&stream, Z_FINISH);
	inflateEnd(&stream);
	if (r == Z_BUF_ERROR && !stream.avail_out)
		return -ENOBUFS;
	if (r != Z_STREAM_END)
		return r == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	*ret_len = stream.total_out;
	return 0;
}

/* Runs a decoder that was just set up, and ends it. */
static int decompress_lzma_run(lzma_stream *stream, lzma_ret r, const void *in, size_t in_len,
			       void *out, size_t size, size_t *ret_len)
{
	stream->next_in = in;
	stream->avail_in = in_len;
	stream->next_out = out;
	stream->avail_out = size;
	if (r == LZMA_OK)
		r = lzma_code(stream, LZMA_FINISH);
	lzma_end(stream);
	if (r == LZMA_MEM_ERROR || r == LZMA_MEMLIMIT_ERROR)
		return -ENOMEM;
	if ((r == LZMA_OK || r == LZMA_BUF_ERROR) && !stream->avail_out)
		return -ENOBUFS;
	if (r != LZMA_STREAM_END)
		return -EBADMSG;
	*ret_len = stream->total_out;
	return 0;
}

static int decompress_xz(const void *in, size_t in_len, void *out, size_t size, size_t *ret_len)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret r = lzma_stream_decoder(&stream, DECOMPRESS_MEMORY_MAX, 0);

	return decompress_lzma_run(&stream, r, in, in_len, out, size, ret_len);
}

static int decompress_lzma(const void *in, size_t in_len, void *out, size_t size, size_t *ret_len)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret r = lzma_alone_decoder(&stream, DECOMPRESS_MEMORY_MAX);

	return decompress_lzma_run(&stream, r, in, in_len, out, size, ret_len);
}

static int decompress_zstd(const void *in, size_t in_len, void *out, size_t size, size_t *ret_len)
{
	size_t n = ZSTD_findFrameCompressedSize(in, in_len);

	if (ZSTD_isError(n))
		return -EBADMSG;
	n = ZSTD_decompress(out, size, in, n);
	if (ZSTD_getErrorCode(n) == ZSTD_error_dstSize_tooSmall)
		return -ENOBUFS;
	if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
		return -ENOMEM;
	if (ZSTD_isError(n))
		return -EBADMSG;
	*ret_len = n;
	return 0;
}

static uint32_t decompress_u32(const char *in)
{
	uint32_t value;

	memcpy(&value, in, sizeof(value));
	return le32toh(value);
}

static int decompress_lz4(const void *in, size_t in_len, void *out, size_t size, size_t *ret_len)
{
	const char *at = in, *end = at + in_len;
	size_t done = 0;

	while (end - at >= 4) {
		uint32_t packed = decompress_u32(at);
		size_t room =
			size - done < DECOMPRESS_LZ4_BLOCK ? size - done : DECOMPRESS_LZ4_BLOCK;
		int n;

		at += 4;
		if (packed == DECOMPRESS_LZ4_MAGIC)
			continue;
		if (!packed || packed > LZ4_COMPRESSBOUND(DECOMPRESS_LZ4_BLOCK) ||
		    packed > (size_t)(end - at))
			return -EBADMSG;
		n = LZ4_decompress_safe(at, (char *)out + done, (int)packed, (int)room);
		if (n < 0)
			return room < DECOMPRESS_LZ4_BLOCK ? -ENOBUFS : -EBADMSG;
		at += packed;
		done += (size_t)n;
	}
	if (at != end)
		return -EBADMSG;
	*ret_len = done;
	return 0;
}

static const struct decompress_format decompress_formats[] = {
	{ "lz4", "\x02\x21\x4c\x18", 4, decompress_lz4 },
	{ "gzip", "\x1f\x8b", 2, decompress_gzip },
	{ "xz", "\xfd\x37zXZ\0", 6, decompress_xz },
	{ "zstd", "\x28\xb5\x2f\xfd", 4, decompress_zstd },
	{ "lzma", "\x5d\0\0", 3, decompress_lzma },
	{ "bzip2", "BZh", 3, NULL },
	{ "lzo", "\x89LZO", 4, NULL },
};

const struct decompress_format *decompress_detect(const void *data, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(decompress_formats); i++) {
		const struct decompress_format *format = &decompress_formats[i];

		if (len >= format->magic_len && !memcmp(data, format->magic, format->magic_len))
			return format;
	}
	return NULL;
}

int decompress_into(const struct decompress_format *format, const void *in, size_t in_len,
		    void *out, size_t size, size_t *ret_len)
{
	return format->into ? format->into(in, in_len, out, size, ret_len) : -EOPNOTSUPP;
}

int decompress_new(const struct decompress_format *format, const void *in, size_t in_len,
		   size_t max, char **ret, size_t *ret_len)
{
	size_t size = in_len < 16384 ? 65536 : 4 * in_len;
	int r;

	for (;; size *= 2) {
		_cleanup_free_ char *out = NULL;

		if (size > max)
			size = max;
		out = malloc(size);
		if (!out)
			return -ENOMEM;
		r = decompress_into(format, in, in_len, out, size, ret_len);
		if (r == 0) {
			*ret = take_ptr(out);
			return 0;
		}
		if (r != -ENOBUFS || size == max)
			return r == -ENOBUFS ? -EFBIG : r;
	}
}

/* One frame of zstd's, or no frame at all: what was read of the file and not yet handed out. */
struct decompress_stream {
	int fd, plain, ended;
	ZSTD_DCtx *context;
	char *buffer;
	size_t size, len, done; /* of buffer */
};

void decompress_stream_free(struct decompress_stream *stream)
{
	if (!stream)
		return;
	ZSTD_freeDCtx(stream->context);
	free(stream->buffer);
	free(stream);
}

/* Adds what there is behind what is left; 0: the file's end. */
static ssize_t decompress_stream_fill(struct decompress_stream *stream, struct err *err)
{
	ssize_t n;

	if (stream->done == stream->len)
		stream->done = stream->len = 0;
	do {
		n = read(stream->fd, stream->buffer + stream->len, stream->size - stream->len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, -errno, "cannot read");
	stream->len += (size_t)n;
	return n;
}

/* A pipe brings its first bytes in what pieces it likes. */
static int decompress_stream_begin(struct decompress_stream *stream, struct err *err)
{
	const struct decompress_format *format;
	ssize_t n = 1;

	while (stream->len < sizeof(uint32_t) && n > 0)
		n = decompress_stream_fill(stream, err);
	format = decompress_detect(stream->buffer, stream->len);
	stream->plain = !format || format->into != decompress_zstd;
	return n < 0 ? (int)n : 0;
}

struct decompress_stream *decompress_stream_new(int fd, struct err *err)
{
	_cleanup_decompress_stream_ struct decompress_stream *stream = mem_zalloc(sizeof(*stream));

	*stream = (struct decompress_stream){ .fd = fd,
					      .context = ZSTD_createDCtx(),
					      .size = ZSTD_DStreamInSize(),
					      .buffer = mem_zalloc(ZSTD_DStreamInSize()) };
	if (!stream->context) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	return decompress_stream_begin(stream, err) < 0 ? NULL : take_ptr(stream);
}

static ssize_t decompress_stream_plain(struct decompress_stream *stream, void *data, size_t size,
				       struct err *err)
{
	ssize_t n = stream->done < stream->len ? 1 : decompress_stream_fill(stream, err);
	size_t left = stream->len - stream->done;

	if (n <= 0)
		return n;
	if (size > left)
		size = left;
	memcpy(data, stream->buffer + stream->done, size);
	stream->done += size;
	return (ssize_t)size;
}

/* Behind the frame there is nothing. */
static int decompress_stream_check_end(struct decompress_stream *stream, struct err *err)
{
	ssize_t n = stream->done < stream->len ? 1 : decompress_stream_fill(stream, err);

	if (n > 0)
		return err_set(err, -EBADMSG, "something follows where it ends");
	return (int)n;
}

static ssize_t decompress_stream_unpack(struct decompress_stream *stream, void *data, size_t size,
					struct err *err)
{
	ZSTD_outBuffer out = { .dst = data, .size = size };

	while (!out.pos && !stream->ended) {
		ZSTD_inBuffer in = { .src = stream->buffer,
				     .size = stream->len,
				     .pos = stream->done };
		size_t left = ZSTD_decompressStream(stream->context, &out, &in);
		ssize_t n;

		stream->done = in.pos;
		if (ZSTD_isError(left))
			return err_set(err, -EBADMSG, "it is damaged: %s", ZSTD_getErrorName(left));
		stream->ended = !left;
		if (out.pos || stream->ended)
			break;
		n = decompress_stream_fill(stream, err);
		if (n <= 0)
			return n < 0 ? n : err_set(err, -EBADMSG, "it is cut short");
	}
	if (!out.pos && decompress_stream_check_end(stream, err) < 0)
		return err->code;
	return (ssize_t)out.pos;
}

ssize_t decompress_stream_read(struct decompress_stream *stream, void *data, size_t size,
			       struct err *err)
{
	return stream->plain ? decompress_stream_plain(stream, data, size, err)
			     : decompress_stream_unpack(stream, data, size, err);
}
