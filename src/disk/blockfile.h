/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_BLOCKFILE_H
#define DISK_BLOCKFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "disk/vector.h"

/*
 * A regular file or block device that holds an image, through its descriptor: positioned reads and writes
 * that are whole or fail, with or without O_DIRECT. Safe from several threads at once, as far as the same
 * bytes are not concerned.
 *
 * System calls after blockfile_open(): preadv, pwritev, fdatasync, fallocate.
 */
struct blockfile {
	int fd;
	int direct;
	uint64_t size;	       /* bytes, when it was opened */
	uint32_t block;	       /* with O_DIRECT offsets and lengths are multiples of this; else 1 */
	uint32_t memory_align; /* and memory starts at multiples of this */
	uint32_t physical;     /* what it does best: bytes, at least 512 */
};

/*
 * fd becomes the blockfile's, also where this fails. Refuses what is no file or block device and what may
 * not be read (or written, where writable); and with -EBUSY an image that another writes to, or reads where
 * we would write: told by locks of the open file, as QEMU has them. direct sets O_DIRECT, for all who share
 * the open file.
 */
int blockfile_open(struct blockfile *ret, int fd, int writable, int direct, struct err *err);
void blockfile_close(struct blockfile *file);

/* No bounce buffer is needed for this. */
int blockfile_fits(const struct blockfile *file, const struct vector *v, uint64_t offset);

/* Any offset and length. What is beyond the end of the file reads as zeroes. */
int blockfile_read(const struct blockfile *file, const struct vector *v, uint64_t offset);
/* Writing less than a block with O_DIRECT reads the rest of it first: nobody else may write there then. */
int blockfile_write(const struct blockfile *file, const struct vector *v, uint64_t offset);
/* The same with one piece of memory. */
int blockfile_get(const struct blockfile *file, void *data, size_t len, uint64_t offset);
int blockfile_put(const struct blockfile *file, const void *data, size_t len, uint64_t offset);

int blockfile_sync(const struct blockfile *file);
/* Zeroes the range; unmap: and gives its room back, if that can be done. */
int blockfile_zero(const struct blockfile *file, uint64_t offset, uint64_t len, int unmap);
/* Gives the range's room back, if that can be done. */
int blockfile_discard(const struct blockfile *file, uint64_t offset, uint64_t len);

/* Memory that fits every file; NULL if there is none. free() it. */
void *blockfile_alloc(size_t len);

#endif
