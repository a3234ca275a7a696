// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Compressed clusters: one raw deflate stream or zstd frame, somewhere in the file. They are small reads'
 * enemy, so the last one that was unpacked is kept.
 */
#include "disk/qcow2-internal.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define QCOW2_SECTOR 512
/* QEMU's compressor uses no larger window. */
#define QCOW2_DEFLATE_WINDOW (-12)

void qcow2_packed_place(const struct qcow2 *image, uint64_t entry, uint64_t *ret_offset,
			uint64_t *ret_len)
{
	unsigned int offset_bits = 62 - (image->cluster_bits - 8);
	uint64_t sectors = ((entry & ~(QCOW2_COPIED | QCOW2_COMPRESSED)) >> offset_bits) + 1;

	*ret_offset = entry & ((UINT64_C(1) << offset_bits) - 1);
	*ret_len = sectors * QCOW2_SECTOR - (*ret_offset & (QCOW2_SECTOR - 1));
}

static int qcow2_packed_inflate(const void *in, size_t in_len, void *out, size_t size)
{
	z_stream z = { .next_in = (Bytef *)in,
		       .avail_in = (uInt)in_len,
		       .next_out = out,
		       .avail_out = (uInt)size };
	int r;

	if (inflateInit2(&z, QCOW2_DEFLATE_WINDOW) != Z_OK)
		return -ENOMEM;
	r = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	/* A stream that would go on is fine for as long as the cluster is full. */
	return (r == Z_STREAM_END || r == Z_BUF_ERROR || r == Z_OK) && z.avail_out == 0 ? 0 : -EIO;
}

static int qcow2_packed_unzstd(const void *in, size_t in_len, void *out, size_t size)
{
	ZSTD_outBuffer to = { out, size, 0 };
	ZSTD_inBuffer from = { in, in_len, 0 };
	ZSTD_DCtx *context = ZSTD_createDCtx();
	size_t r = 1;

	if (!context)
		return -ENOMEM;
	ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, QCOW2_CLUSTER_BITS_MAX + 1);
	while (to.pos < to.size && r != 0 && !ZSTD_isError(r)) {
		size_t had = from.pos, made = to.pos;

		r = ZSTD_decompressStream(context, &to, &from);
		if (from.pos == had && to.pos == made)
			break;
	}
	ZSTD_freeDCtx(context);
	return !ZSTD_isError(r) && to.pos == to.size ? 0 : -EIO;
}

/* With unpacked_lock. */
static int qcow2_packed_unpack(struct qcow2 *image, uint64_t entry)
{
	uint64_t offset, len;
	_cleanup_free_ void *in = NULL;
	int r;

	qcow2_packed_place(image, entry, &offset, &len);
	if (offset > (uint64_t)INT64_MAX - len)
		return -EIO;
	in = blockfile_alloc(len);
	if (!image->unpacked)
		image->unpacked = blockfile_alloc(image->cluster_size);
	if (!in || !image->unpacked)
		return -ENOMEM;
	image->unpacked_entry = 0;
	r = blockfile_get(&image->file, in, len, offset);
	if (r == 0 && image->zstd)
		r = qcow2_packed_unzstd(in, len, image->unpacked, image->cluster_size);
	else if (r == 0)
		r = qcow2_packed_inflate(in, len, image->unpacked, image->cluster_size);
	if (r == 0)
		image->unpacked_entry = entry;
	return r;
}

int qcow2_packed_read(struct qcow2 *image, uint64_t entry, const struct vector *v, uint64_t in)
{
	int r = 0;

	pthread_mutex_lock(&image->unpacked_lock);
	if (image->unpacked_entry != entry)
		r = qcow2_packed_unpack(image, entry);
	if (r == 0)
		vector_put(v, (const char *)image->unpacked + in, v->len);
	pthread_mutex_unlock(&image->unpacked_lock);
	return r;
}
