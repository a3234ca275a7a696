// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "disk/qcow2-internal.h"

#include <string.h>

void qcow2_cache_init(struct qcow2_cache *cache, uint64_t bytes, uint64_t cluster_size,
		      uint64_t tables)
{
	size_t n_sets = 1;

	while (n_sets * 2 * QCOW2_CACHE_WAYS * cluster_size <= bytes &&
	       n_sets * QCOW2_CACHE_WAYS < tables)
		n_sets *= 2;
	*cache = (struct qcow2_cache){ .n_sets = n_sets };
	cache->tables = mem_zalloc(n_sets * QCOW2_CACHE_WAYS * sizeof(*cache->tables));
}

void qcow2_cache_release(struct qcow2_cache *cache)
{
	for (size_t i = 0; cache->tables && i < cache->n_sets * QCOW2_CACHE_WAYS; i++)
		free(cache->tables[i].data);
	free(cache->tables);
	*cache = (struct qcow2_cache){ 0 };
}

static struct qcow2_table *qcow2_cache_set(struct qcow2_cache *cache, uint64_t offset,
					   unsigned int cluster_bits)
{
	uint64_t hash = (offset >> cluster_bits) * UINT64_C(0x9e3779b97f4a7c15);

	return cache->tables + ((hash >> 32) & (cache->n_sets - 1)) * QCOW2_CACHE_WAYS;
}

struct qcow2_table *qcow2_cache_find(struct qcow2_cache *cache, uint64_t offset,
				     unsigned int cluster_bits, struct qcow2_table **ret_room)
{
	struct qcow2_table *set = qcow2_cache_set(cache, offset, cluster_bits), *oldest = set;

	cache->calls++;
	for (struct qcow2_table *table = set; table < set + QCOW2_CACHE_WAYS; table++) {
		if (table->offset == offset) {
			table->used = cache->calls;
			return table;
		}
		if (table->used < oldest->used)
			oldest = table;
	}
	*ret_room = oldest;
	return NULL;
}

int qcow2_cache_load(struct qcow2_cache *cache, struct qcow2_table *room,
		     const struct blockfile *file, uint64_t cluster_size, uint64_t offset,
		     int fresh)
{
	int r = 0;

	room->offset = 0;
	room->used = 0;
	if (!room->data)
		room->data = blockfile_alloc(cluster_size);
	if (!room->data)
		return -ENOMEM;
	if (fresh)
		memset(room->data, 0, cluster_size);
	else
		r = blockfile_get(file, room->data, cluster_size, offset);
	if (r < 0)
		return r;
	room->offset = offset;
	room->used = cache->calls;
	if (fresh)
		qcow2_cache_dirty(cache, room);
	return 0;
}

void qcow2_cache_dirty(struct qcow2_cache *cache, struct qcow2_table *table)
{
	cache->n_dirty += !table->dirty;
	table->dirty = 1;
}

int qcow2_cache_write(struct qcow2_cache *cache, struct qcow2_table *table,
		      const struct blockfile *file, uint64_t cluster_size)
{
	int r = blockfile_put(file, table->data, cluster_size, table->offset);

	if (r == 0) {
		cache->n_dirty--;
		table->dirty = 0;
	}
	return r;
}

int qcow2_cache_write_all(struct qcow2_cache *cache, const struct blockfile *file,
			  uint64_t cluster_size)
{
	for (size_t i = 0; cache->n_dirty > 0 && i < cache->n_sets * QCOW2_CACHE_WAYS; i++) {
		int r = cache->tables[i].dirty
				? qcow2_cache_write(cache, &cache->tables[i], file, cluster_size)
				: 0;

		if (r < 0)
			return r;
	}
	return 0;
}

void qcow2_cache_drop(struct qcow2_cache *cache, uint64_t offset, unsigned int cluster_bits)
{
	struct qcow2_table *room, *table = qcow2_cache_find(cache, offset, cluster_bits, &room);

	if (!table)
		return;
	cache->n_dirty -= !!table->dirty;
	table->dirty = 0;
	table->offset = 0;
	table->used = 0;
}
