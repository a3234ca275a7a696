// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/compress.h"
#include "base/file.h"
#include "base/mem.h"

#include <zstd.h>

struct compress {
	ZSTD_CCtx *context;
	int out;
	size_t size; /* of buffer */
	char *buffer;
};

struct compress *compress_new(int out, struct err *err)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	struct compress *compress;

	if (!context) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, COMPRESS_LEVEL);
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	compress = mem_zalloc(sizeof(*compress));
	*compress = (struct compress){ .context = context,
				       .out = out,
				       .size = ZSTD_CStreamOutSize(),
				       .buffer = mem_zalloc(ZSTD_CStreamOutSize()) };
	return compress;
}

void compress_free(struct compress *compress)
{
	if (!compress)
		return;
	ZSTD_freeCCtx(compress->context);
	free(compress->buffer);
	free(compress);
}

/* Hands data to zstd and writes what comes out of it, all of it at the end. */
static int compress_block(struct compress *compress, ZSTD_inBuffer *in, ZSTD_EndDirective how,
			  struct err *err)
{
	size_t left;

	do {
		ZSTD_outBuffer chunk = { .dst = compress->buffer, .size = compress->size };
		int r;

		left = ZSTD_compressStream2(compress->context, &chunk, in, how);
		if (ZSTD_isError(left))
			return err_set(err, -EIO, "cannot compress: %s", ZSTD_getErrorName(left));
		r = file_write_all(compress->out, compress->buffer, chunk.pos);
		if (r < 0)
			return err_errno(err, r, "cannot write what was compressed");
	} while (how == ZSTD_e_end ? left > 0 : in->pos < in->size);
	return 0;
}

int compress_add(struct compress *compress, const void *data, size_t len, struct err *err)
{
	ZSTD_inBuffer in = { .src = data, .size = len };

	return compress_block(compress, &in, ZSTD_e_continue, err);
}

int compress_end(struct compress *compress, struct err *err)
{
	ZSTD_inBuffer in = { .src = NULL };

	return compress_block(compress, &in, ZSTD_e_end, err);
}

int compress_stream(struct tar_stream *stream, int out,
		    void (*progress)(void *ctx, int64_t position), void *ctx, struct err *err)
{
	_cleanup_compress_ struct compress *compress = compress_new(out, err);
	const void *data = NULL;
	size_t len = 0;
	int r;

	if (!compress)
		return err->code;
	while ((r = tar_stream_read(stream, &data, &len, err)) > 0) {
		if (compress_add(compress, data, len, err) < 0)
			return err->code;
		if (progress)
			progress(ctx, tar_stream_position(stream));
	}
	return r < 0 ? r : compress_end(compress, err);
}
