// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/qcow2.h"
#include "base/mem.h"
#include "disk/qcow2-internal.h"

#include <string.h>

#define QCOW2_MAGIC	     0x514649fbu /* "QFI\xfb" */
#define QCOW2_HEADER_V2	     72
#define QCOW2_HEADER_V3	     104
#define QCOW2_SIZE_MAX	     (UINT64_C(1) << 62)
#define QCOW2_REFCOUNT_ORDER 4 /* of version 2: 16 bits */

enum {
	QCOW2_FEATURE_DATA_FILE = 4,
	QCOW2_FEATURE_COMPRESSION = 8,
	QCOW2_FEATURE_EXTENDED_L2 = 16,
};

/* The fields of the header that are used. */
struct qcow2_header {
	uint32_t magic, version, cluster_bits, crypt, l1_size, reftable_clusters;
	uint32_t refcount_order, length;
	uint64_t backing, size, l1, reftable;
	uint64_t incompatible, autoclear;
	uint8_t compression;
};

static uint32_t qcow2_get32(const unsigned char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return be32toh(value);
}

static uint64_t qcow2_get64(const unsigned char *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return be64toh(value);
}

static int qcow2_read_header(const struct blockfile *file, struct qcow2_header *ret,
			     struct err *err)
{
	unsigned char bytes[QCOW2_HEADER_SIZE];
	int r = blockfile_get(file, bytes, sizeof(bytes), 0);

	if (r < 0)
		return err_errno(err, r, "cannot read the image's header");
	*ret = (struct qcow2_header){
		.magic = qcow2_get32(bytes),
		.version = qcow2_get32(bytes + 4),
		.backing = qcow2_get64(bytes + 8),
		.cluster_bits = qcow2_get32(bytes + 20),
		.size = qcow2_get64(bytes + 24),
		.crypt = qcow2_get32(bytes + 32),
		.l1_size = qcow2_get32(bytes + 36),
		.l1 = qcow2_get64(bytes + 40),
		.reftable = qcow2_get64(bytes + QCOW2_HEADER_REFTABLE),
		.reftable_clusters = qcow2_get32(bytes + 56),
		.refcount_order = QCOW2_REFCOUNT_ORDER,
		.length = QCOW2_HEADER_V2,
	};
	if (ret->magic != QCOW2_MAGIC || file->size < QCOW2_HEADER_V2)
		return err_set(err, -EINVAL, "this is no qcow2 image");
	if (ret->version < 2 || ret->version > 3)
		return err_set(err, -EOPNOTSUPP, "qcow2 images of version %u are not known",
			       ret->version);
	if (ret->version == 2)
		return 0;
	ret->incompatible = qcow2_get64(bytes + QCOW2_HEADER_INCOMPATIBLE);
	ret->autoclear = qcow2_get64(bytes + QCOW2_HEADER_AUTOCLEAR);
	ret->refcount_order = qcow2_get32(bytes + 96);
	ret->length = qcow2_get32(bytes + 100);
	if (ret->length > QCOW2_HEADER_V3)
		ret->compression = bytes[104];
	return 0;
}

static int qcow2_check_features(const struct qcow2_header *h, int writable, struct err *err)
{
	const uint64_t known =
		QCOW2_INCOMPATIBLE_DIRTY | QCOW2_INCOMPATIBLE_CORRUPT | QCOW2_FEATURE_COMPRESSION;

	if (h->crypt != 0)
		return err_set(err, -EOPNOTSUPP, "encrypted qcow2 images are not supported");
	if (h->incompatible & QCOW2_FEATURE_DATA_FILE)
		return err_set(err, -EOPNOTSUPP,
			       "qcow2 images with an external data file are not supported");
	if (h->incompatible & QCOW2_FEATURE_EXTENDED_L2)
		return err_set(err, -EOPNOTSUPP,
			       "qcow2 images with extended L2 entries are not supported");
	if (h->incompatible & ~known)
		return err_set(err, -EOPNOTSUPP, "the qcow2 image has features that are not known");
	if (h->compression > 1 ||
	    (h->compression != 0) != ((h->incompatible & QCOW2_FEATURE_COMPRESSION) != 0))
		return err_set(err, -EOPNOTSUPP, "the qcow2 image's compression is not known");
	if (writable && (h->incompatible & QCOW2_INCOMPATIBLE_CORRUPT))
		return err_set(
			err, -EROFS,
			"the qcow2 image is corrupt: see qemu-img check, or use it read-only");
	if (writable && (h->incompatible & QCOW2_INCOMPATIBLE_DIRTY))
		return err_set(err, -EROFS,
			       "the qcow2 image was not closed: qemu-img check -r all mends it");
	return 0;
}

static int qcow2_check_numbers(const struct qcow2_header *h, struct err *err)
{
	uint64_t cluster, l2_span;

	if (h->cluster_bits < QCOW2_CLUSTER_BITS_MIN || h->cluster_bits > QCOW2_CLUSTER_BITS_MAX)
		return err_set(err, -EINVAL, "the qcow2 image's cluster size is not valid");
	cluster = UINT64_C(1) << h->cluster_bits;
	if (h->refcount_order > 6)
		return err_set(err, -EINVAL,
			       "the qcow2 image's reference counts have no valid size");
	if (h->version >= 3 &&
	    (h->length < QCOW2_HEADER_V3 || h->length > cluster || h->length % 8 != 0))
		return err_set(err, -EINVAL, "the qcow2 image's header has no valid size");
	if (h->size < 512 || h->size > QCOW2_SIZE_MAX)
		return err_set(err, -EINVAL, "the qcow2 image's size is not valid");
	l2_span = cluster * (cluster / sizeof(uint64_t));
	if (h->l1_size > QCOW2_L1_MAX / sizeof(uint64_t) ||
	    h->l1_size < (h->size + l2_span - 1) / l2_span)
		return err_set(err, -EINVAL, "the qcow2 image's L1 table has no valid size");
	if (h->reftable_clusters > QCOW2_REFTABLE_MAX / cluster)
		return err_set(err, -EINVAL, "the qcow2 image's refcount table has no valid size");
	return 0;
}

/* Whole clusters that the file has, at that offset? The last one may be cut short. */
static int qcow2_inside(const struct qcow2 *image, uint64_t offset, uint64_t len)
{
	uint64_t end = image->file_clusters << image->cluster_bits;

	return qcow2_offset_good(image, offset) && len <= end - offset;
}

static int qcow2_read_table(const struct qcow2 *image, uint64_t offset, uint64_t n, uint64_t *table,
			    const char *what, struct err *err)
{
	int r;

	if (!qcow2_inside(image, offset, n * sizeof(uint64_t)))
		return err_set(err, -EINVAL, "the qcow2 image's %s is not in the file", what);
	r = blockfile_get(&image->file, table, n * sizeof(uint64_t), offset);
	if (r < 0)
		return err_errno(err, r, "cannot read the qcow2 image's %s", what);
	for (uint64_t i = 0; i < n; i++)
		table[i] = be64toh(table[i]);
	return 0;
}

/* Sizes were checked, and are no more than what the file has. */
static int qcow2_load_tables(struct qcow2 *image, const struct qcow2_header *h, struct err *err)
{
	uint64_t l2_span = image->cluster_size << image->l2_bits;
	int r;

	image->l1_offset = h->l1;
	/* Entries beyond the disk's end are a snapshot's memory. */
	image->l1_size = (uint32_t)((h->size + l2_span - 1) / l2_span);
	if (!qcow2_inside(image, h->l1, h->l1_size * sizeof(uint64_t)))
		return err_set(err, -EINVAL, "the qcow2 image's L1 table is not in the file");
	image->l1 = mem_zalloc(image->l1_size * sizeof(uint64_t));
	r = qcow2_read_table(image, h->l1, image->l1_size, image->l1, "L1 table", err);
	if (r < 0 || !image->writable)
		return r;
	image->reftable_offset = h->reftable;
	image->reftable_clusters = h->reftable_clusters;
	image->reftable_size = (uint32_t)(((uint64_t)h->reftable_clusters << image->cluster_bits) /
					  sizeof(uint64_t));
	if (!qcow2_inside(image, h->reftable,
			  (uint64_t)h->reftable_clusters << image->cluster_bits))
		return err_set(err, -EINVAL, "the qcow2 image's refcount table is not in the file");
	image->reftable = mem_zalloc(image->reftable_size * sizeof(uint64_t));
	return qcow2_read_table(image, h->reftable, image->reftable_size, image->reftable,
				"refcount table", err);
}

/* What others keep in the image beside the disk, as bitmaps, is out of date once we write to it. */
static int qcow2_clear_features(struct qcow2 *image, const struct qcow2_header *h, struct err *err)
{
	const uint64_t none = 0;
	int r;

	if (!image->writable || h->autoclear == 0)
		return 0;
	r = blockfile_put(&image->file, &none, sizeof(none), QCOW2_HEADER_AUTOCLEAR);
	if (r == 0)
		r = blockfile_sync(&image->file);
	return r < 0 ? err_errno(err, r, "cannot write the qcow2 image's header") : 0;
}

static void qcow2_prepare(struct qcow2 *image, const struct qcow2_header *h)
{
	image->version = (int)h->version;
	image->zstd = h->compression == 1;
	image->incompatible = h->incompatible;
	image->cluster_bits = h->cluster_bits;
	image->cluster_size = UINT64_C(1) << h->cluster_bits;
	image->l2_bits = h->cluster_bits - 3;
	image->refcount_order = h->refcount_order;
	image->refblock_bits = h->cluster_bits + 3 - h->refcount_order;
	image->file_clusters = (image->file.size >> h->cluster_bits) +
			       ((image->file.size & (image->cluster_size - 1)) != 0);
	image->free_hint = 1;
	image->format.block = image->file.block < 512 ? 512 : image->file.block;
	image->format.size = h->size - h->size % image->format.block;
	image->format.physical = image->file.physical < image->format.block ? image->format.block
									    : image->file.physical;
	qcow2_cache_init(&image->l2, QCOW2_L2_CACHE, image->cluster_size, h->l1_size);
	qcow2_cache_init(&image->refblocks, QCOW2_REFBLOCK_CACHE, image->cluster_size,
			 QCOW2_REFBLOCKS);
}

static int qcow2_check_backing(const struct qcow2 *image, const struct qcow2_header *h,
			       struct err *err)
{
	if (h->backing != 0 && !image->backing)
		return err_set(err, -EINVAL,
			       "the qcow2 image has a backing file, and none was named");
	if (h->backing == 0 && image->backing)
		return err_set(err, -EINVAL,
			       "the qcow2 image has no backing file, and one was named");
	if (image->file.block > image->cluster_size)
		return err_set(
			err, -EINVAL,
			"the qcow2 image's clusters are too small for use without the page cache");
	return 0;
}

int qcow2_open(struct blockfile *file, int writable, struct format *backing, struct format **ret,
	       struct err *err)
{
	struct qcow2 *image = mem_zalloc(sizeof(*image));
	struct qcow2_header h = { 0 };
	int r;

	image->format.ops = &qcow2_io_ops;
	image->file = *file;
	file->fd = -EBADF;
	image->backing = backing;
	pthread_mutex_init(&image->lock, NULL);
	pthread_mutex_init(&image->unpacked_lock, NULL);
	pthread_cond_init(&image->range_left, NULL);
	r = qcow2_read_header(&image->file, &h, err);
	if (r == 0)
		r = qcow2_check_numbers(&h, err);
	if (r == 0)
		r = qcow2_check_features(&h, writable, err);
	if (r == 0) {
		qcow2_prepare(image, &h);
		image->writable = writable;
		r = qcow2_check_backing(image, &h, err);
	}
	if (r == 0)
		r = qcow2_load_tables(image, &h, err);
	if (r == 0)
		r = qcow2_clear_features(image, &h, err);
	if (r < 0) {
		image->writable = 0;
		qcow2_free(image);
		return r;
	}
	*ret = &image->format;
	return 0;
}

int qcow2_corrupt(struct qcow2 *image)
{
	uint64_t bits = htobe64(image->incompatible | QCOW2_INCOMPATIBLE_CORRUPT);

	/* If this cannot be written, at least we write nothing more. */
	if (!image->corrupt && image->writable && image->version >= 3)
		(void)blockfile_put(&image->file, &bits, sizeof(bits), QCOW2_HEADER_INCOMPATIBLE);
	image->corrupt = 1;
	return -EIO;
}

void qcow2_free(struct qcow2 *image)
{
	/* The second one writes the counters of what the first one gave back. */
	if (image->writable && qcow2_refcount_sync(image) > 0)
		(void)qcow2_refcount_sync(image);
	if (image->backing)
		image->backing->ops->free(image->backing);
	blockfile_close(&image->file);
	qcow2_cache_release(&image->l2);
	qcow2_cache_release(&image->refblocks);
	free(image->l1);
	free(image->reftable);
	free(image->freed);
	free(image->unpacked);
	pthread_mutex_destroy(&image->lock);
	pthread_mutex_destroy(&image->unpacked_lock);
	pthread_cond_destroy(&image->range_left);
	free(image);
}
