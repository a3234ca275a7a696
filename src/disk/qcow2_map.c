// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/qcow2-internal.h"

#include <string.h>

enum qcow2_type qcow2_map_type(const struct qcow2 *image, uint64_t entry)
{
	if (entry & QCOW2_COMPRESSED)
		return QCOW2_PACKED;
	if (image->version >= 3 && (entry & QCOW2_ZERO))
		return entry & QCOW2_OFFSET_MASK ? QCOW2_ALLOCATED_ZERO : QCOW2_PLAIN_ZERO;
	return entry & QCOW2_OFFSET_MASK ? QCOW2_DATA : QCOW2_UNALLOCATED;
}

static uint64_t *qcow2_map_l1(const struct qcow2 *image, uint64_t offset)
{
	return &image->l1[offset >> (image->cluster_bits + image->l2_bits)];
}

static uint64_t qcow2_map_index(const struct qcow2 *image, uint64_t offset)
{
	return (offset >> image->cluster_bits) & ((UINT64_C(1) << image->l2_bits) - 1);
}

int qcow2_map_has_table(const struct qcow2 *image, uint64_t offset)
{
	return (*qcow2_map_l1(image, offset) & QCOW2_OFFSET_MASK) != 0;
}

/* Room in the cache; a table that must leave takes all that is dirty with it, in the right order. */
static int qcow2_map_room(struct qcow2 *image, uint64_t table, struct qcow2_table **ret,
			  struct qcow2_table **ret_room)
{
	int r;

	*ret = qcow2_cache_find(&image->l2, table, image->cluster_bits, ret_room);
	if (*ret || !(*ret_room)->dirty)
		return 0;
	r = qcow2_refcount_sync(image);
	return r < 0 ? r : (*ret_room)->dirty ? -EIO : 0;
}

static int qcow2_map_load(struct qcow2 *image, uint64_t table, int fresh, struct qcow2_table **ret)
{
	struct qcow2_table *room;
	int r = qcow2_map_room(image, table, ret, &room);

	if (r < 0 || *ret)
		return r;
	*ret = room;
	return qcow2_cache_load(&image->l2, room, &image->file, image->cluster_size, table, fresh);
}

/* The L2 table for offset, NULL if there is none. */
static int qcow2_map_table(struct qcow2 *image, uint64_t offset, struct qcow2_table **ret)
{
	uint64_t table = *qcow2_map_l1(image, offset) & QCOW2_OFFSET_MASK;

	*ret = NULL;
	if (table == 0)
		return 0;
	if (!qcow2_offset_good(image, table))
		return qcow2_corrupt(image);
	return qcow2_map_load(image, table, 0, ret);
}

/* A new table for offset: empty, or a copy of the one that a snapshot has too. */
static int qcow2_map_new_table(struct qcow2 *image, uint64_t offset, struct qcow2_table **ret)
{
	uint64_t *l1 = qcow2_map_l1(image, offset), old = *l1 & QCOW2_OFFSET_MASK, table;
	uint32_t index = (uint32_t)(l1 - image->l1);
	_cleanup_free_ void *copy = NULL;
	int fresh, r;

	if (old) {
		r = qcow2_map_table(image, offset, ret);
		if (r < 0)
			return r;
		copy = blockfile_alloc(image->cluster_size);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, (*ret)->data, image->cluster_size);
	}
	r = qcow2_refcount_new(image, &table, &fresh);
	if (r < 0)
		return r;
	r = qcow2_map_load(image, table, 1, ret);
	if (r < 0) {
		qcow2_refcount_put(image, table);
		return r;
	}
	if (old) {
		memcpy((*ret)->data, copy, image->cluster_size);
		qcow2_refcount_put(image, old);
	}
	*l1 = table | QCOW2_COPIED;
	if (image->l1_dirty_from == image->l1_dirty_to) {
		image->l1_dirty_from = index;
		image->l1_dirty_to = index + 1;
	}
	if (index < image->l1_dirty_from)
		image->l1_dirty_from = index;
	if (index >= image->l1_dirty_to)
		image->l1_dirty_to = index + 1;
	return 0;
}

int qcow2_map_entry(struct qcow2 *image, uint64_t offset, uint64_t *ret)
{
	struct qcow2_table *table;
	int r = qcow2_map_table(image, offset, &table);

	*ret = 0;
	if (r == 0 && table)
		*ret = be64toh(((uint64_t *)table->data)[qcow2_map_index(image, offset)]);
	return r;
}

int qcow2_map_set(struct qcow2 *image, uint64_t offset, uint64_t entry)
{
	struct qcow2_table *table;
	int r;

	if (image->corrupt)
		return -EIO;
	if (*qcow2_map_l1(image, offset) & QCOW2_COPIED)
		r = qcow2_map_table(image, offset, &table);
	else
		r = qcow2_map_new_table(image, offset, &table);
	if (r < 0)
		return r;
	if (!table) /* an L1 entry that only says that it may be written to */
		return qcow2_corrupt(image);
	((uint64_t *)table->data)[qcow2_map_index(image, offset)] = htobe64(entry);
	qcow2_cache_dirty(&image->l2, table);
	return 0;
}

/* Does the entry go on where the mapping, of so many clusters, ends? */
static int qcow2_map_follows(const struct qcow2 *image, const struct qcow2_mapping *m, uint64_t n,
			     uint64_t entry)
{
	uint64_t host = (m->entry & QCOW2_OFFSET_MASK) + (n << image->cluster_bits);

	if (qcow2_map_type(image, entry) != m->type || m->type == QCOW2_PACKED)
		return 0;
	if (m->type == QCOW2_UNALLOCATED || m->type == QCOW2_PLAIN_ZERO)
		return 1;
	return !!(entry & QCOW2_COPIED) == m->copied && (entry & QCOW2_OFFSET_MASK) == host &&
	       qcow2_offset_good(image, host);
}

int qcow2_map_get(struct qcow2 *image, uint64_t offset, uint64_t len, struct qcow2_mapping *ret)
{
	uint64_t in = offset & (image->cluster_size - 1), index = qcow2_map_index(image, offset);
	uint64_t n = 1, span = ((UINT64_C(1) << image->l2_bits) - index) << image->cluster_bits;
	struct qcow2_table *table;
	const uint64_t *entries;
	int r = qcow2_map_table(image, offset, &table);

	if (r < 0)
		return r;
	*ret = (struct qcow2_mapping){ .type = QCOW2_UNALLOCATED };
	ret->len = len < span - in ? len : span - in;
	if (!table)
		return 0;
	entries = (const uint64_t *)table->data + index;
	ret->entry = be64toh(entries[0]);
	ret->type = qcow2_map_type(image, ret->entry);
	ret->copied = ret->type != QCOW2_PACKED && (ret->entry & QCOW2_COPIED) != 0;
	if (ret->type == QCOW2_DATA || ret->type == QCOW2_ALLOCATED_ZERO) {
		if (!qcow2_offset_good(image, ret->entry & QCOW2_OFFSET_MASK))
			return qcow2_corrupt(image);
		ret->host = (ret->entry & QCOW2_OFFSET_MASK) + in;
	}
	while ((n << image->cluster_bits) - in < ret->len &&
	       qcow2_map_follows(image, ret, n, be64toh(entries[n])))
		n++;
	if ((n << image->cluster_bits) - in < ret->len)
		ret->len = (n << image->cluster_bits) - in;
	return 0;
}

void qcow2_map_put(struct qcow2 *image, uint64_t entry)
{
	uint64_t offset, len, mask = image->cluster_size - 1;

	switch (qcow2_map_type(image, entry)) {
	case QCOW2_PACKED:
		qcow2_packed_place(image, entry, &offset, &len);
		for (uint64_t at = offset & ~mask; at < offset + len; at += image->cluster_size)
			qcow2_refcount_put(image, at);
		return;
	case QCOW2_DATA:
	case QCOW2_ALLOCATED_ZERO:
		qcow2_refcount_put(image, entry & QCOW2_OFFSET_MASK);
		return;
	default:
		return;
	}
}
