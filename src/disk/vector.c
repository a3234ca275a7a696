// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/vector.h"

#include <string.h>

uint64_t vector_bytes(const struct iovec *iov, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (__builtin_add_overflow(sum, iov[i].iov_len, &sum))
			return UINT64_MAX;
	return sum;
}

struct vector vector_of(struct iovec *iov, void *data, size_t len)
{
	*iov = (struct iovec){ .iov_base = data, .iov_len = len };
	return (struct vector){ .iov = iov, .n = 1, .len = len };
}

struct vector vector_part(const struct vector *v, uint64_t offset, uint64_t len)
{
	struct vector part = { v->iov, v->n, v->skip + offset, len };

	while (part.n > 0 && part.skip >= part.iov->iov_len) {
		part.skip -= part.iov->iov_len;
		part.iov++;
		part.n--;
	}
	return part;
}

/* Calls fn for each piece of memory, in order, until it returns non-zero. */
static void vector_each(const struct vector *v, int (*fn)(void *ctx, const struct iovec *piece),
			void *ctx)
{
	uint64_t skip = v->skip, len = v->len;

	for (size_t i = 0; i < v->n && len > 0; i++) {
		struct iovec piece = v->iov[i];

		if (skip >= piece.iov_len) {
			skip -= piece.iov_len;
			continue;
		}
		piece.iov_base = (char *)piece.iov_base + skip;
		piece.iov_len -= skip;
		if (piece.iov_len > len)
			piece.iov_len = len;
		if (fn(ctx, &piece))
			return;
		skip = 0;
		len -= piece.iov_len;
	}
}

struct vector_listing {
	struct iovec *list;
	size_t n, max;
	uint64_t len;
};

static int vector_list_one(void *ctx, const struct iovec *piece)
{
	struct vector_listing *l = ctx;

	if (l->n == l->max)
		return 1;
	l->list[l->n++] = *piece;
	l->len += piece->iov_len;
	return 0;
}

int vector_list(const struct vector *v, struct iovec *list, size_t max, uint64_t *ret_len)
{
	struct vector_listing l = { .list = list, .max = max };

	vector_each(v, vector_list_one, &l);
	*ret_len = l.len;
	return (int)l.n;
}

struct vector_copy {
	char *data;
	uint64_t len;
};

static int vector_get_one(void *ctx, const struct iovec *piece)
{
	struct vector_copy *copy = ctx;
	size_t len = piece->iov_len < copy->len ? piece->iov_len : copy->len;

	memcpy(copy->data, piece->iov_base, len);
	copy->data += len;
	copy->len -= len;
	return copy->len == 0;
}

void vector_get(const struct vector *v, void *data, uint64_t len)
{
	struct vector_copy copy = { data, len };

	if (len > 0)
		vector_each(v, vector_get_one, &copy);
}

static int vector_put_one(void *ctx, const struct iovec *piece)
{
	struct vector_copy *copy = ctx;
	size_t len = piece->iov_len < copy->len ? piece->iov_len : copy->len;

	memcpy(piece->iov_base, copy->data, len);
	copy->data += len;
	copy->len -= len;
	return copy->len == 0;
}

void vector_put(const struct vector *v, const void *data, uint64_t len)
{
	struct vector_copy copy = { (char *)data, len };

	if (len > 0)
		vector_each(v, vector_put_one, &copy);
}

static int vector_zero_one(void *ctx, const struct iovec *piece)
{
	(void)ctx;
	memset(piece->iov_base, 0, piece->iov_len);
	return 0;
}

void vector_zero(const struct vector *v)
{
	vector_each(v, vector_zero_one, NULL);
}

struct vector_alignment {
	uint64_t address, len;
	int good;
};

static int vector_aligned_one(void *ctx, const struct iovec *piece)
{
	struct vector_alignment *a = ctx;

	a->good = ((uintptr_t)piece->iov_base & (a->address - 1)) == 0 &&
		  (piece->iov_len & (a->len - 1)) == 0;
	return !a->good;
}

int vector_aligned(const struct vector *v, uint32_t address_align, uint32_t len_align)
{
	struct vector_alignment a = { address_align, len_align, 1 };

	vector_each(v, vector_aligned_one, &a);
	return a.good;
}
