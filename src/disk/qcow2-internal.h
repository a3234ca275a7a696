/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_QCOW2_INTERNAL_H
#define DISK_QCOW2_INTERNAL_H

#include <endian.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "disk/format.h"
#include "disk/qcow2.h"

/*
 * How a qcow2 image is worked on.
 *
 * The mapping (L1, L2 tables, reference counts) is kept in memory under image->lock and written back by
 * qcow2_refcount_sync(), in an order that leaves a sound image wherever it stops. Data is read and written
 * without the lock, under a range lock on the guest's clusters.
 *
 * Invariants:
 *  1. What is on disk never points to a cluster whose reference count on disk is too small, or to a table
 *     that is not on disk: the sync writes refcount blocks, then the refcount table and the header,
 *     then L2 tables, then the L1 table, with an fdatasync between each two that have something to write.
 *  2. A cluster is given back only after what pointed to it is gone from the disk: until then it waits
 *     in image->freed. At worst, a crash leaks clusters.
 *  3. A cluster's data is written before an L2 entry points to it.
 *  4. Who writes to a cluster in place, or reads it, holds its guest range shared; who changes its L2 entry
 *     holds it exclusively. So nobody works on a host cluster that is given back.
 *  5. Everything that was read from the file is checked when it is used: offsets are whole clusters below
 *     file_clusters. What is not makes the request fail, and the image corrupt: then nothing is written
 *     any more.
 *  6. A pointer into a cached table is good until the next call that may load a table of the same kind, or
 *     the lock is given up.
 */

#define QCOW2_COPIED	  (UINT64_C(1) << 63) /* exactly one reference: may be written in place */
#define QCOW2_COMPRESSED  (UINT64_C(1) << 62)
#define QCOW2_ZERO	  UINT64_C(1)
#define QCOW2_OFFSET_MASK UINT64_C(0x00fffffffffffe00)

#define QCOW2_CLUSTER_BITS_MIN 9
#define QCOW2_CLUSTER_BITS_MAX 21
#define QCOW2_L1_MAX	       (32u << 20) /* bytes */
#define QCOW2_REFTABLE_MAX     (8u << 20)  /* bytes */
#define QCOW2_L2_CACHE	       (16u << 20) /* bytes: with clusters of 64 KiB they map 128 GiB */
#define QCOW2_REFBLOCK_CACHE   (4u << 20)
#define QCOW2_REFBLOCKS	       1024 /* tables */
/* More clusters than this that wait to be given back are reason for a sync. */
#define QCOW2_FREED_MAX 16384

/* Bytes of the header that are used, and where in it. */
#define QCOW2_HEADER_SIZE	   112
#define QCOW2_HEADER_REFTABLE	   48
#define QCOW2_HEADER_INCOMPATIBLE  72
#define QCOW2_HEADER_AUTOCLEAR	   88
#define QCOW2_INCOMPATIBLE_DIRTY   UINT64_C(1)
#define QCOW2_INCOMPATIBLE_CORRUPT UINT64_C(2)

struct qcow2_table {
	uint64_t offset; /* in the file; 0: unused */
	uint64_t used;	 /* when, in calls */
	int dirty;
	void *data; /* a cluster */
};

#define QCOW2_CACHE_WAYS 8

/* Tables by their offset: sets of QCOW2_CACHE_WAYS, whose memory comes when it is used. */
struct qcow2_cache {
	struct qcow2_table *tables;
	size_t n_sets; /* a power of two */
	uint64_t calls;
	size_t n_dirty;
};

/* Guest clusters that somebody works on. Lives on the worker's stack. */
struct qcow2_range {
	uint64_t first, last; /* clusters */
	int exclusive;
	struct qcow2_range *next;
};

struct qcow2 {
	struct format format;
	struct blockfile file;
	struct format *backing; /* or NULL */
	int version, writable, zstd;
	unsigned int cluster_bits, l2_bits, refblock_bits, refcount_order;
	uint64_t cluster_size;
	uint64_t incompatible;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t range_left;
	struct qcow2_range *ranges;
	int corrupt;

	uint64_t *l1; /* of this machine's byte order */
	uint64_t l1_offset;
	uint32_t l1_size; /* entries */
	uint32_t l1_dirty_from, l1_dirty_to;
	struct qcow2_cache l2;

	uint64_t *reftable;
	uint64_t reftable_offset, reftable_clusters; /* on disk */
	uint32_t reftable_size;			     /* entries in memory */
	int reftable_dirty;
	struct qcow2_cache refblocks;

	uint64_t file_clusters; /* all that is in use is below */
	uint64_t free_hint;	/* no free cluster is below, but for those in freed */
	uint64_t *freed;
	size_t n_freed, freed_room;

	pthread_mutex_t unpacked_lock; /* guards the last compressed cluster that was read */
	uint64_t unpacked_entry;
	void *unpacked;
};

/* What is in the image makes no sense: see invariant 5. Returns -EIO. With the lock. */
int qcow2_corrupt(struct qcow2 *image);

/* Is offset that of a cluster that may be used? */
static inline int qcow2_offset_good(const struct qcow2 *image, uint64_t offset)
{
	return offset != 0 && (offset & (image->cluster_size - 1)) == 0 &&
	       offset >> image->cluster_bits < image->file_clusters;
}

/* qcow2_cache.c */
/* For some bytes of tables, and not for many more than there are. */
void qcow2_cache_init(struct qcow2_cache *cache, uint64_t bytes, uint64_t cluster_size,
		      uint64_t tables);
void qcow2_cache_release(struct qcow2_cache *cache);
/* The table at offset if it is there; else NULL and, in *ret_room, the place for it: look if it is dirty,
 * write it back, then qcow2_cache_load(). */
struct qcow2_table *qcow2_cache_find(struct qcow2_cache *cache, uint64_t offset,
				     unsigned int cluster_bits, struct qcow2_table **ret_room);
/* Puts the table at offset in that place: from the file, or (fresh) zeroed and dirty. */
int qcow2_cache_load(struct qcow2_cache *cache, struct qcow2_table *room,
		     const struct blockfile *file, uint64_t cluster_size, uint64_t offset,
		     int fresh);
void qcow2_cache_dirty(struct qcow2_cache *cache, struct qcow2_table *table);
int qcow2_cache_write(struct qcow2_cache *cache, struct qcow2_table *table,
		      const struct blockfile *file, uint64_t cluster_size);
/* Writes all that are dirty. */
int qcow2_cache_write_all(struct qcow2_cache *cache, const struct blockfile *file,
			  uint64_t cluster_size);
/* Forgets the table at offset, whose cluster becomes something else. */
void qcow2_cache_drop(struct qcow2_cache *cache, uint64_t offset, unsigned int cluster_bits);

/* qcow2_refcount.c; all with the lock. */
/* Allocates a cluster with one reference. *ret_fresh: nothing was ever there, so it reads as zeroes. */
int qcow2_refcount_new(struct qcow2 *image, uint64_t *ret_offset, int *ret_fresh);
/* One reference less to the cluster, once that is safe. */
void qcow2_refcount_put(struct qcow2 *image, uint64_t offset);
/* Writes everything back: invariants 1 and 2. Returns 1 if that ended with an fdatasync, 0 if there was
 * nothing to do. */
int qcow2_refcount_sync(struct qcow2 *image);
/* The same if too much is waiting. */
int qcow2_refcount_relieve(struct qcow2 *image);

/* qcow2_map.c; all with the lock. */
enum qcow2_type {
	QCOW2_UNALLOCATED,
	QCOW2_PLAIN_ZERO,
	QCOW2_ALLOCATED_ZERO, /* reads as zeroes, and has a cluster */
	QCOW2_DATA,
	QCOW2_PACKED,
};

struct qcow2_mapping {
	enum qcow2_type type;
	int copied;
	uint64_t entry; /* of the first cluster */
	uint64_t host;	/* data, allocated zero: where the first byte is */
	uint64_t len;	/* bytes of the same type, one after the other on the host too */
};

enum qcow2_type qcow2_map_type(const struct qcow2 *image, uint64_t entry);
/* What is at offset: at most len bytes, at least one. */
int qcow2_map_get(struct qcow2 *image, uint64_t offset, uint64_t len, struct qcow2_mapping *ret);
/* The L2 entry of one cluster. Setting makes (or copies) the L2 table where it must. */
int qcow2_map_entry(struct qcow2 *image, uint64_t offset, uint64_t *ret);
int qcow2_map_set(struct qcow2 *image, uint64_t offset, uint64_t entry);
/* Is there an L2 table for offset? */
int qcow2_map_has_table(const struct qcow2 *image, uint64_t offset);
/* Gives back what the entry points to. */
void qcow2_map_put(struct qcow2 *image, uint64_t entry);

/* qcow2_packed.c; without the lock. Reads from the compressed cluster of the entry. */
int qcow2_packed_read(struct qcow2 *image, uint64_t entry, const struct vector *v, uint64_t in);
/* Where a compressed cluster is: bytes. */
void qcow2_packed_place(const struct qcow2 *image, uint64_t entry, uint64_t *ret_offset,
			uint64_t *ret_len);

/* qcow2_io.c: the format's operations. */
extern const struct format_ops qcow2_io_ops;
/* Syncs if writable, and frees. */
void qcow2_free(struct qcow2 *image);

#endif
