// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reference counts: a table of blocks, each a cluster of counters. The table grows in memory first; where
 * it has outgrown its place on disk, the next sync finds it another (qcow2_refcount_place_table()).
 *
 * A new block needs a cluster, whose counter is in some block. Where that block is the new one itself, it
 * counts itself; else it is one that is there already.
 */
#include "base/mem.h"
#include "disk/qcow2-internal.h"

#include <string.h>

/* Clusters that one allocation looks at before it takes one at the end of the file. */
#define QCOW2_SEARCH_MAX 65536

static uint64_t qcow2_refcount_load(const struct qcow2 *image, const void *block, uint64_t i)
{
	const uint8_t *bytes = block;
	unsigned int bits;

	switch (image->refcount_order) {
	case 6:
		return be64toh(((const uint64_t *)block)[i]);
	case 5:
		return be32toh(((const uint32_t *)block)[i]);
	case 4:
		return be16toh(((const uint16_t *)block)[i]);
	case 3:
		return bytes[i];
	default: /* several in a byte, the first in its lowest bits */
		bits = 1u << image->refcount_order;
		return (bytes[i * bits / 8] >> (i * bits % 8)) & ((1u << bits) - 1);
	}
}

static void qcow2_refcount_store(const struct qcow2 *image, void *block, uint64_t i, uint64_t value)
{
	uint8_t *bytes = block;
	unsigned int bits, shift;

	switch (image->refcount_order) {
	case 6:
		((uint64_t *)block)[i] = htobe64(value);
		return;
	case 5:
		((uint32_t *)block)[i] = htobe32((uint32_t)value);
		return;
	case 4:
		((uint16_t *)block)[i] = htobe16((uint16_t)value);
		return;
	case 3:
		bytes[i] = (uint8_t)value;
		return;
	default:
		bits = 1u << image->refcount_order;
		shift = (unsigned int)(i * bits % 8);
		bytes[i * bits / 8] =
			(uint8_t)((bytes[i * bits / 8] & ~(((1u << bits) - 1) << shift)) |
				  (value << shift));
	}
}

/* A place in the cache for the block at offset. */
static int qcow2_refcount_cache(struct qcow2 *image, uint64_t offset, int fresh,
				struct qcow2_table **ret)
{
	struct qcow2_table *room,
		*table = qcow2_cache_find(&image->refblocks, offset, image->cluster_bits, &room);
	int r = 0;

	if (!table) {
		if (room->dirty)
			r = qcow2_cache_write(&image->refblocks, room, &image->file,
					      image->cluster_size);
		if (r == 0)
			r = qcow2_cache_load(&image->refblocks, room, &image->file,
					     image->cluster_size, offset, fresh);
		table = room;
	} else if (fresh) { /* an image that uses a cluster twice */
		return qcow2_corrupt(image);
	}
	*ret = table;
	return r;
}

/* The block with the cluster's counter; NULL: there is none, and the counter is 0. */
static int qcow2_refcount_block(struct qcow2 *image, uint64_t cluster, struct qcow2_table **ret)
{
	uint64_t index = cluster >> image->refblock_bits, offset;

	*ret = NULL;
	if (index >= image->reftable_size || image->reftable[index] == 0)
		return 0;
	offset = image->reftable[index];
	if (!qcow2_offset_good(image, offset))
		return qcow2_corrupt(image);
	return qcow2_refcount_cache(image, offset, 0, ret);
}

static uint64_t qcow2_refcount_slot(const struct qcow2 *image, uint64_t cluster)
{
	return cluster & ((UINT64_C(1) << image->refblock_bits) - 1);
}

/* The counter, 0 where there is no block. */
static int qcow2_refcount_get(struct qcow2 *image, uint64_t cluster, uint64_t *ret, int *ret_block)
{
	struct qcow2_table *block;
	int r = qcow2_refcount_block(image, cluster, &block);

	*ret = 0;
	*ret_block = block != NULL;
	if (r == 0 && block)
		*ret = qcow2_refcount_load(image, block->data, qcow2_refcount_slot(image, cluster));
	return r;
}

/* The cluster has a block. */
static int qcow2_refcount_set(struct qcow2 *image, uint64_t cluster, uint64_t value)
{
	struct qcow2_table *block;
	int r = qcow2_refcount_block(image, cluster, &block);

	if (r < 0)
		return r;
	if (!block)
		return qcow2_corrupt(image);
	qcow2_refcount_store(image, block->data, qcow2_refcount_slot(image, cluster), value);
	qcow2_cache_dirty(&image->refblocks, block);
	if (value > 0 && cluster >= image->file_clusters)
		image->file_clusters = cluster + 1;
	return 0;
}

/* So many entries, and half as many again. */
static int qcow2_refcount_grow(struct qcow2 *image, uint64_t entries)
{
	uint64_t max = QCOW2_REFTABLE_MAX / sizeof(uint64_t);
	uint64_t mask = image->cluster_size / sizeof(uint64_t) - 1, size;

	if (entries > max)
		return -EFBIG;
	size = (entries + entries / 2 + mask) & ~mask;
	if (size > max)
		size = max;
	image->reftable = mem_realloc(image->reftable, size, sizeof(uint64_t));
	memset(image->reftable + image->reftable_size, 0,
	       (size - image->reftable_size) * sizeof(uint64_t));
	image->reftable_size = (uint32_t)size;
	image->reftable_dirty = 1;
	return 0;
}

/* Makes the block that counts `cluster` out of the free cluster `at`. */
static int qcow2_refcount_add_block(struct qcow2 *image, uint64_t cluster, uint64_t at)
{
	uint64_t index = cluster >> image->refblock_bits;
	struct qcow2_table *block;
	int r = 0;

	if (index >= image->reftable_size)
		r = qcow2_refcount_grow(image, index + 1);
	if (r == 0)
		r = qcow2_refcount_cache(image, at << image->cluster_bits, 1, &block);
	if (r < 0)
		return r;
	image->reftable[index] = at << image->cluster_bits;
	image->reftable_dirty = 1;
	if (at >= image->file_clusters)
		image->file_clusters = at + 1;
	return qcow2_refcount_set(image, at, 1);
}

/* The header and the tables that are not counted by the cache are nobody's, whatever their counters say. */
static int qcow2_refcount_reserved(const struct qcow2 *image, uint64_t cluster)
{
	uint64_t l1 = image->l1_offset >> image->cluster_bits;
	uint64_t l1_clusters = (image->l1_size * sizeof(uint64_t) + image->cluster_size - 1) >>
			       image->cluster_bits;
	uint64_t table = image->reftable_offset >> image->cluster_bits;

	return cluster == 0 || (cluster >= l1 && cluster < l1 + l1_clusters) ||
	       (cluster >= table && cluster < table + image->reftable_clusters);
}

/*
 * The first free cluster from the hint on, and whether it has a block. A search that takes long goes on
 * from there next time; for now there is room at the end of the file.
 */
static int qcow2_refcount_find(struct qcow2 *image, uint64_t *ret, int *ret_block)
{
	uint64_t cluster = image->free_hint, value = 1;
	int jumped = 0;

	for (unsigned int looked = 0; value != 0; looked++) {
		int r;

		if (looked == QCOW2_SEARCH_MAX) {
			image->free_hint = cluster;
			jumped = cluster < image->file_clusters;
			if (jumped)
				cluster = image->file_clusters;
		} else if (looked == 2 * QCOW2_SEARCH_MAX) {
			return qcow2_corrupt(image);
		}
		if (cluster >> (56 - image->cluster_bits))
			return -EFBIG;
		r = qcow2_refcount_get(image, cluster++, &value, ret_block);
		if (r < 0)
			return r;
	}
	*ret = --cluster;
	if (!jumped)
		image->free_hint = cluster;
	return qcow2_refcount_reserved(image, *ret) ? qcow2_corrupt(image) : 0;
}

int qcow2_refcount_new(struct qcow2 *image, uint64_t *ret_offset, int *ret_fresh)
{
	uint64_t cluster = 0;
	int has_block = 0, r;

	if (image->corrupt)
		return -EIO;
	for (;;) {
		r = qcow2_refcount_find(image, &cluster, &has_block);
		if (r < 0 || has_block)
			break;
		r = qcow2_refcount_add_block(image, cluster, cluster);
		if (r < 0)
			break;
	}
	if (r < 0)
		return r;
	*ret_fresh = cluster >= image->file_clusters;
	*ret_offset = cluster << image->cluster_bits;
	r = qcow2_refcount_set(image, cluster, 1);
	if (r == 0 && cluster == image->free_hint)
		image->free_hint = cluster + 1;
	/* Whatever was cached of it is of another life. */
	qcow2_cache_drop(&image->l2, *ret_offset, image->cluster_bits);
	return r;
}

void qcow2_refcount_put(struct qcow2 *image, uint64_t offset)
{
	if (image->n_freed == image->freed_room) {
		image->freed_room = image->freed_room ? image->freed_room * 2 : 64;
		image->freed = mem_realloc(image->freed, image->freed_room, sizeof(*image->freed));
	}
	image->freed[image->n_freed++] = offset >> image->cluster_bits;
}

/*
 * Looks whether n clusters from start on are free and counted: 1. If not, does something about it, after
 * which file_clusters is another: 0.
 */
static int qcow2_refcount_prepare(struct qcow2 *image, uint64_t start, uint64_t n)
{
	int has_block, start_has_block = 0;

	for (uint64_t cluster = start; cluster < start + n; cluster++) {
		uint64_t value;
		int r = qcow2_refcount_get(image, cluster, &value, &has_block);

		if (r < 0)
			return r;
		if (value > 0) { /* left by a crash */
			image->file_clusters = cluster + 1;
			return 0;
		}
		if (cluster == start)
			start_has_block = has_block;
		if (!has_block)
			return qcow2_refcount_add_block(image, start_has_block ? cluster : start,
							start);
	}
	return 1;
}

/* Finds room at the end of the file for the whole table. Its old room is given back by the caller. */
static int qcow2_refcount_place_table(struct qcow2 *image, uint64_t *ret_offset, uint64_t *ret_n)
{
	uint64_t start, n;
	int r = 0;

	for (unsigned int tries = 0; r == 0; tries++) {
		if (tries == QCOW2_SEARCH_MAX)
			return qcow2_corrupt(image);
		start = image->file_clusters;
		n = (image->reftable_size * sizeof(uint64_t) + image->cluster_size - 1) >>
		    image->cluster_bits;
		if ((start + n) >> (56 - image->cluster_bits))
			return -EFBIG;
		r = qcow2_refcount_prepare(image, start, n);
		*ret_offset = start << image->cluster_bits;
		*ret_n = n;
	}
	start = *ret_offset >> image->cluster_bits;
	for (uint64_t i = 0; r >= 0 && i < *ret_n; i++)
		r = qcow2_refcount_set(image, start + i, 1);
	return r < 0 ? r : 0;
}

/* Writes the table to n clusters at offset. */
static int qcow2_refcount_write_table(struct qcow2 *image, uint64_t offset, uint64_t n)
{
	size_t entries = (size_t)(n << image->cluster_bits) / sizeof(uint64_t);
	_cleanup_free_ uint64_t *bytes = blockfile_alloc(entries * sizeof(uint64_t));

	if (!bytes)
		return -ENOMEM;
	for (size_t i = 0; i < entries; i++)
		bytes[i] = i < image->reftable_size ? htobe64(image->reftable[i]) : 0;
	return blockfile_put(&image->file, bytes, entries * sizeof(uint64_t), offset);
}

static int qcow2_refcount_point_header(struct qcow2 *image, uint64_t offset, uint64_t n)
{
	unsigned char bytes[12];
	uint64_t old_offset = image->reftable_offset, old_n = image->reftable_clusters;
	uint64_t be_offset = htobe64(offset);
	uint32_t be_n = htobe32((uint32_t)n);
	int r;

	memcpy(bytes, &be_offset, sizeof(be_offset));
	memcpy(bytes + 8, &be_n, sizeof(be_n));
	r = blockfile_sync(&image->file);
	if (r == 0)
		r = blockfile_put(&image->file, bytes, sizeof(bytes), QCOW2_HEADER_REFTABLE);
	if (r < 0)
		return r;
	image->reftable_offset = offset;
	image->reftable_clusters = n;
	for (uint64_t i = 0; i < old_n; i++)
		qcow2_refcount_put(image, old_offset + (i << image->cluster_bits));
	return 0;
}

/* Refcount blocks, and the table and the header if they have changed. */
static int qcow2_refcount_write(struct qcow2 *image)
{
	uint64_t offset = image->reftable_offset, n = image->reftable_clusters;
	int moves = image->reftable_size * sizeof(uint64_t) > n << image->cluster_bits;
	int r = moves ? qcow2_refcount_place_table(image, &offset, &n) : 0;

	if (r == 0)
		r = qcow2_cache_write_all(&image->refblocks, &image->file, image->cluster_size);
	if (r < 0 || !image->reftable_dirty)
		return r;
	r = blockfile_sync(&image->file);
	if (r == 0)
		r = qcow2_refcount_write_table(image, offset, n);
	if (r == 0 && moves)
		r = qcow2_refcount_point_header(image, offset, n);
	if (r == 0)
		image->reftable_dirty = 0;
	return r;
}

static int qcow2_refcount_write_l1(struct qcow2 *image)
{
	uint32_t from = image->l1_dirty_from, n = image->l1_dirty_to - from;
	_cleanup_free_ uint64_t *bytes = n ? blockfile_alloc(n * sizeof(uint64_t)) : NULL;
	int r;

	if (n == 0)
		return 0;
	if (!bytes)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = htobe64(image->l1[from + i]);
	r = blockfile_sync(&image->file);
	if (r == 0)
		r = blockfile_put(&image->file, bytes, n * sizeof(uint64_t),
				  image->l1_offset + from * sizeof(uint64_t));
	if (r == 0)
		image->l1_dirty_from = image->l1_dirty_to = 0;
	return r;
}

/* A run of clusters that are free now: their room goes back to the host. */
struct qcow2_hole {
	uint64_t first, n;
};

static void qcow2_refcount_punch(struct qcow2 *image, struct qcow2_hole *hole, uint64_t cluster)
{
	if (hole->n > 0 && cluster == hole->first + hole->n) {
		hole->n++;
		return;
	}
	/* A hint: if it does not work the room is kept, and used again by us. */
	if (hole->n > 0)
		(void)blockfile_discard(&image->file, hole->first << image->cluster_bits,
					hole->n << image->cluster_bits);
	*hole = (struct qcow2_hole){ cluster, 1 };
}

/* Invariant 2: nothing on disk points to these any more. */
static int qcow2_refcount_apply_freed(struct qcow2 *image)
{
	struct qcow2_hole hole = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < image->n_freed; i++) {
		uint64_t cluster = image->freed[i], value;
		int has_block;

		r = qcow2_refcount_get(image, cluster, &value, &has_block);
		if (r == 0 && (value == 0 || qcow2_refcount_reserved(image, cluster)))
			r = qcow2_corrupt(image);
		if (r == 0)
			r = qcow2_refcount_set(image, cluster, value - 1);
		if (r == 0 && value == 1) {
			qcow2_refcount_punch(image, &hole, cluster);
			if (cluster < image->free_hint)
				image->free_hint = cluster;
		}
	}
	image->n_freed = 0;
	if (hole.n > 0)
		qcow2_refcount_punch(image, &hole, UINT64_MAX);
	return r;
}

int qcow2_refcount_sync(struct qcow2 *image)
{
	int r;

	if (image->corrupt)
		return -EIO;
	if (image->refblocks.n_dirty == 0 && !image->reftable_dirty && image->l2.n_dirty == 0 &&
	    image->l1_dirty_from == image->l1_dirty_to && image->n_freed == 0)
		return 0;
	r = qcow2_refcount_write(image);
	if (r == 0 && (image->l2.n_dirty > 0 || image->l1_dirty_from < image->l1_dirty_to)) {
		r = blockfile_sync(&image->file);
		if (r == 0)
			r = qcow2_cache_write_all(&image->l2, &image->file, image->cluster_size);
		if (r == 0)
			r = qcow2_refcount_write_l1(image);
	}
	if (r == 0)
		r = blockfile_sync(&image->file);
	if (r == 0 && image->n_freed > 0)
		r = qcow2_refcount_apply_freed(image);
	return r < 0 ? r : 1;
}

int qcow2_refcount_relieve(struct qcow2 *image)
{
	int r = image->n_freed > QCOW2_FREED_MAX ? qcow2_refcount_sync(image) : 0;

	return r < 0 ? r : 0;
}
