// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/compress.h"
#include "base/file.h"
#include "base/mem.h"

#include <zstd.h>

static void compress_freep(ZSTD_CCtx **context)
{
	ZSTD_freeCCtx(*context);
}

/* Hands data to zstd and writes what comes out of it, all of it at the end. */
static int compress_block(ZSTD_CCtx *context, ZSTD_inBuffer *in, ZSTD_EndDirective how,
			  char *buffer, size_t size, int out, struct err *err)
{
	size_t left;

	do {
		ZSTD_outBuffer chunk = { .dst = buffer, .size = size };
		int r;

		left = ZSTD_compressStream2(context, &chunk, in, how);
		if (ZSTD_isError(left))
			return err_set(err, -EIO, "cannot compress: %s", ZSTD_getErrorName(left));
		r = file_write_all(out, buffer, chunk.pos);
		if (r < 0)
			return err_errno(err, r, "cannot write what was compressed");
	} while (how == ZSTD_e_end ? left > 0 : in->pos < in->size);
	return 0;
}

int compress_stream(struct tar_stream *stream, int out,
		    void (*progress)(void *ctx, int64_t position), void *ctx, struct err *err)
{
	_cleanup_(compress_freep) ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t size = ZSTD_CStreamOutSize();
	_cleanup_free_ char *buffer = mem_zalloc(size);
	ZSTD_inBuffer in = { .src = NULL };
	int r;

	if (!context)
		return err_set(err, -ENOMEM, "out of memory");
	ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, COMPRESS_LEVEL);
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	while ((r = tar_stream_read(stream, &in.src, &in.size, err)) > 0) {
		in.pos = 0;
		if (compress_block(context, &in, ZSTD_e_continue, buffer, size, out, err) < 0)
			return err->code;
		if (progress)
			progress(ctx, tar_stream_position(stream));
	}
	if (r < 0)
		return r;
	in = (ZSTD_inBuffer){ .src = NULL };
	return compress_block(context, &in, ZSTD_e_end, buffer, size, out, err);
}
