/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_VECTOR_H
#define DISK_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * A view of len bytes that lie in the segments of an iovec list, from skip bytes after its start. The list
 * stays the caller's and is never changed. What the segments point to may be a guest's memory, which
 * changes at any moment: bytes are copied once.
 */
struct vector {
	const struct iovec *iov;
	size_t n;
	uint64_t skip, len;
};

/* Most segments that one disk request may have: virtio/queue.h's longest chain, and some. */
#define VECTOR_MAX 264

/* Bytes in all segments; UINT64_MAX if there are more than that. */
uint64_t vector_bytes(const struct iovec *iov, size_t n);

/* One piece of memory; iov is room for it, which lives as long as the view. */
struct vector vector_of(struct iovec *iov, void *data, size_t len);

/* len bytes of the view from offset on; both within it. */
struct vector vector_part(const struct vector *v, uint64_t offset, uint64_t len);

/* The view as a list for preadv() and its like: at most max segments; returns how many, and their bytes. */
int vector_list(const struct vector *v, struct iovec *list, size_t max, uint64_t *ret_len);

/* Between the view's first len bytes and a buffer. */
void vector_get(const struct vector *v, void *data, uint64_t len);
void vector_put(const struct vector *v, const void *data, uint64_t len);
/* Zeroes all of it. */
void vector_zero(const struct vector *v);

/* All segments start at a multiple of address_align and are multiples of len_align bytes: powers of two. */
int vector_aligned(const struct vector *v, uint32_t address_align, uint32_t len_align);

#endif
