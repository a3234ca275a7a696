// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/qcow2-internal.h"

#include <string.h>

static struct qcow2 *qcow2_of(struct format *format)
{
	return (struct qcow2 *)format; /* its first member */
}

/* Range locks: invariant 4. */
static int qcow2_range_blocked(const struct qcow2 *image, const struct qcow2_range *range)
{
	for (const struct qcow2_range *r = image->ranges; r; r = r->next)
		if ((r->exclusive || range->exclusive) && r->first <= range->last &&
		    range->first <= r->last)
			return 1;
	return 0;
}

/* With the lock, which is given up while waiting. */
static void qcow2_range_enter(struct qcow2 *image, struct qcow2_range *range, uint64_t offset,
			      uint64_t len, int exclusive)
{
	*range = (struct qcow2_range){ .first = offset >> image->cluster_bits,
				       .last = (offset + len - 1) >> image->cluster_bits,
				       .exclusive = exclusive };
	while (qcow2_range_blocked(image, range))
		pthread_cond_wait(&image->range_left, &image->lock);
	range->next = image->ranges;
	image->ranges = range;
}

static void qcow2_range_leave(struct qcow2 *image, struct qcow2_range *range)
{
	struct qcow2_range **at = &image->ranges;

	while (*at != range)
		at = &(*at)->next;
	*at = range->next;
	pthread_cond_broadcast(&image->range_left);
}

/* What lies below this image: beyond its end, and without one, zeroes. */
static int qcow2_read_backing(struct qcow2 *image, const struct vector *v, uint64_t offset)
{
	uint64_t size = image->backing ? image->backing->size : 0, len = v->len;
	struct vector part;
	int r = 0;

	if (offset >= size)
		len = 0;
	else if (len > size - offset)
		len = size - offset;
	part = vector_part(v, 0, len);
	if (len > 0)
		r = image->backing->ops->read(image->backing, &part, offset);
	part = vector_part(v, len, v->len - len);
	vector_zero(&part);
	return r;
}

static int qcow2_read_mapped(struct qcow2 *image, const struct qcow2_mapping *m,
			     const struct vector *v, uint64_t offset)
{
	switch (m->type) {
	case QCOW2_UNALLOCATED:
		return qcow2_read_backing(image, v, offset);
	case QCOW2_DATA:
		return blockfile_read(&image->file, v, m->host);
	case QCOW2_PACKED:
		return qcow2_packed_read(image, m->entry, v, offset & (image->cluster_size - 1));
	default:
		vector_zero(v);
		return 0;
	}
}

/* The range is held. Enters and leaves with the lock. */
static int qcow2_read_held(struct qcow2 *image, const struct vector *v, uint64_t offset)
{
	uint64_t done = 0;
	int r = 0;

	while (r == 0 && done < v->len) {
		struct qcow2_mapping m;
		struct vector part;

		r = qcow2_map_get(image, offset + done, v->len - done, &m);
		if (r < 0)
			break;
		pthread_mutex_unlock(&image->lock);
		part = vector_part(v, done, m.len);
		r = qcow2_read_mapped(image, &m, &part, offset + done);
		pthread_mutex_lock(&image->lock);
		done += m.len;
	}
	return r;
}

static int qcow2_io_read(struct format *format, const struct vector *v, uint64_t offset)
{
	struct qcow2 *image = qcow2_of(format);
	struct qcow2_range range;
	int r;

	if (v->len == 0)
		return 0;
	pthread_mutex_lock(&image->lock);
	qcow2_range_enter(image, &range, offset, v->len, 0);
	r = qcow2_read_held(image, v, offset);
	qcow2_range_leave(image, &range);
	pthread_mutex_unlock(&image->lock);
	return r;
}

/* Writes to clusters that are this image's alone, up to one that is not: *ret_done. The range is held. */
static int qcow2_write_in_place(struct qcow2 *image, const struct vector *v, uint64_t offset,
				uint64_t *ret_done)
{
	int r = 0;

	while (r == 0 && *ret_done < v->len) {
		struct qcow2_mapping m;
		struct vector part;

		r = qcow2_map_get(image, offset + *ret_done, v->len - *ret_done, &m);
		if (r < 0 || m.type != QCOW2_DATA || !m.copied)
			break;
		pthread_mutex_unlock(&image->lock);
		part = vector_part(v, *ret_done, m.len);
		r = blockfile_write(&image->file, &part, m.host);
		pthread_mutex_lock(&image->lock);
		if (r == 0)
			*ret_done += m.len;
	}
	return r;
}

/* Host clusters, one after the other, that are to take the place of what m says. */
struct qcow2_place {
	uint64_t host; /* the first one's start */
	uint64_t n;
	int fresh; /* they read as zeroes */
	int kept;  /* it was there already, and reads as zeroes to the guest */
};

/* As many as can be had in one piece, up to n; at least one, or an error. */
static int qcow2_place_new(struct qcow2 *image, uint64_t n, struct qcow2_place *ret)
{
	int r = qcow2_refcount_new(image, &ret->host, &ret->fresh);

	for (ret->n = 1; r == 0 && ret->n < n; ret->n++) {
		uint64_t host;
		int fresh;

		if (qcow2_refcount_new(image, &host, &fresh) < 0)
			break;
		if (host != ret->host + (ret->n << image->cluster_bits)) {
			qcow2_refcount_put(image, host);
			break;
		}
		ret->fresh &= fresh;
	}
	return r;
}

/* Writes one whole cluster: what it held before, with v over it from `in` on. */
static int qcow2_fill(struct qcow2 *image, const struct qcow2_mapping *m,
		      const struct qcow2_place *place, const struct vector *v, uint64_t offset)
{
	uint64_t in = offset & (image->cluster_size - 1);
	_cleanup_free_ char *cluster = NULL;
	struct qcow2_mapping whole = *m;
	struct iovec one;
	struct vector all;
	int zero = m->type == QCOW2_PLAIN_ZERO || m->type == QCOW2_ALLOCATED_ZERO ||
		   (m->type == QCOW2_UNALLOCATED && !image->backing);
	int r;

	if (v->len == image->cluster_size || (zero && place->fresh))
		return blockfile_write(&image->file, v, place->host + in);
	cluster = blockfile_alloc(image->cluster_size);
	if (!cluster)
		return -ENOMEM;
	all = vector_of(&one, cluster, image->cluster_size);
	whole.host -= whole.host ? in : 0;
	r = qcow2_read_mapped(image, &whole, &all, offset - in);
	if (r < 0)
		return r;
	vector_get(v, cluster + in, v->len);
	return blockfile_put(&image->file, cluster, image->cluster_size, place->host);
}

/* The clusters are written: points to them, and gives back what was there before. */
static int qcow2_commit(struct qcow2 *image, const struct qcow2_place *place, uint64_t offset)
{
	for (uint64_t i = 0; i < place->n; i++) {
		uint64_t at = i << image->cluster_bits, old;
		int r = qcow2_map_entry(image, offset + at, &old);

		if (r == 0)
			r = qcow2_map_set(image, offset + at, (place->host + at) | QCOW2_COPIED);
		if (r < 0) {
			for (; !place->kept && i < place->n; i++)
				qcow2_refcount_put(image, place->host + (i << image->cluster_bits));
			return r;
		}
		if (!place->kept)
			qcow2_map_put(image, old);
	}
	return 0;
}

/*
 * One step of a write to what is not this image's alone: part of a cluster, or several whole ones. The
 * range is held exclusively. Enters and leaves with the lock.
 */
static int qcow2_write_new(struct qcow2 *image, const struct vector *v, uint64_t offset,
			   const struct qcow2_mapping *m, uint64_t *ret_len)
{
	uint64_t in = offset & (image->cluster_size - 1), n = m->len >> image->cluster_bits;
	struct qcow2_place place = { 0 };
	struct vector part;
	int r = 0;

	*ret_len = m->len < image->cluster_size - in ? m->len : image->cluster_size - in;
	if (in > 0 || n == 0)
		n = 1;
	if (m->type == QCOW2_ALLOCATED_ZERO && m->copied) {
		place = (struct qcow2_place){ .host = m->host - in, .n = 1, .kept = 1 };
	} else {
		r = qcow2_place_new(image, n, &place);
	}
	if (r < 0)
		return r;
	if (in == 0 && m->len >= image->cluster_size)
		*ret_len = place.n << image->cluster_bits;
	pthread_mutex_unlock(&image->lock);
	part = vector_part(v, 0, *ret_len);
	r = place.n > 1 ? blockfile_write(&image->file, &part, place.host)
			: qcow2_fill(image, m, &place, &part, offset);
	pthread_mutex_lock(&image->lock);
	if (r == 0)
		return qcow2_commit(image, &place, offset - in);
	for (uint64_t i = 0; !place.kept && i < place.n; i++)
		qcow2_refcount_put(image, place.host + (i << image->cluster_bits));
	return r;
}

/* The range is held exclusively. Enters and leaves with the lock. */
static int qcow2_write_held(struct qcow2 *image, const struct vector *v, uint64_t offset)
{
	uint64_t done = 0;

	for (;;) {
		struct qcow2_mapping m;
		struct vector rest;
		uint64_t len;
		int r = qcow2_write_in_place(image, v, offset, &done);

		if (r < 0 || done == v->len)
			return r;
		r = qcow2_refcount_relieve(image);
		if (r == 0)
			r = qcow2_map_get(image, offset + done, v->len - done, &m);
		if (r < 0)
			return r;
		rest = vector_part(v, done, v->len - done);
		r = qcow2_write_new(image, &rest, offset + done, &m, &len);
		if (r < 0)
			return r;
		done += len;
	}
}

static int qcow2_io_write(struct format *format, const struct vector *v, uint64_t offset)
{
	struct qcow2 *image = qcow2_of(format);
	struct qcow2_range range;
	uint64_t done = 0;
	int r = 0;

	if (v->len == 0)
		return 0;
	pthread_mutex_lock(&image->lock);
	if (image->corrupt)
		r = -EIO;
	if (r == 0) {
		qcow2_range_enter(image, &range, offset, v->len, 0);
		r = qcow2_write_in_place(image, v, offset, &done);
		qcow2_range_leave(image, &range);
	}
	if (r == 0 && done < v->len) {
		struct vector rest = vector_part(v, done, v->len - done);

		qcow2_range_enter(image, &range, offset + done, rest.len, 1);
		r = qcow2_write_held(image, &rest, offset + done);
		qcow2_range_leave(image, &range);
	}
	pthread_mutex_unlock(&image->lock);
	return r;
}

static int qcow2_io_flush(struct format *format)
{
	struct qcow2 *image = qcow2_of(format);
	int r;

	if (!image->writable)
		return 0;
	pthread_mutex_lock(&image->lock);
	r = qcow2_refcount_sync(image);
	pthread_mutex_unlock(&image->lock);
	/* Where there was nothing of ours to write, the guest's data is still on its way. */
	return r < 0 ? r : r > 0 ? 0 : blockfile_sync(&image->file);
}

/* Zeroes that are written, since the mapping cannot say it. The range is held exclusively. */
static int qcow2_write_zeroes(struct qcow2 *image, uint64_t offset, uint64_t len)
{
	size_t room = len < image->cluster_size ? len : image->cluster_size;
	_cleanup_free_ void *zeroes = blockfile_alloc(room);
	struct iovec one;
	struct vector v;
	int r = 0;

	if (!zeroes)
		return -ENOMEM;
	memset(zeroes, 0, room);
	for (uint64_t done = 0; r == 0 && done < len; done += v.len) {
		v = vector_of(&one, zeroes, len - done < room ? len - done : room);
		r = qcow2_write_held(image, &v, offset + done);
	}
	return r;
}

enum qcow2_wish {
	QCOW2_DISCARD,	  /* zeroes, or what was there, and the room back */
	QCOW2_ZERO_UNMAP, /* zeroes, and the room back */
	QCOW2_ZERO_KEEP,  /* zeroes, and the room stays */
};

/* The entry that makes a whole cluster what is wished; 0 in *ret_can if none does. */
static uint64_t qcow2_zero_entry(const struct qcow2 *image, uint64_t entry, enum qcow2_wish wish,
				 int *ret_can)
{
	enum qcow2_type type = qcow2_map_type(image, entry);

	*ret_can = 1;
	if (type == QCOW2_UNALLOCATED && !image->backing)
		return entry;
	if (image->version >= 3) {
		if (wish == QCOW2_ZERO_KEEP && (type == QCOW2_DATA || type == QCOW2_ALLOCATED_ZERO))
			return entry | QCOW2_ZERO;
		return image->backing ? QCOW2_ZERO : 0;
	}
	*ret_can = !image->backing && wish != QCOW2_ZERO_KEEP;
	return 0;
}

/* One whole cluster. *ret_can as above. */
static int qcow2_zero_cluster(struct qcow2 *image, uint64_t offset, enum qcow2_wish wish,
			      int *ret_can)
{
	uint64_t old, entry;
	int r = qcow2_map_entry(image, offset, &old);

	if (r < 0)
		return r;
	entry = qcow2_zero_entry(image, old, wish, ret_can);
	if (!*ret_can || entry == old)
		return 0;
	r = qcow2_map_set(image, offset, entry);
	if (r == 0 && !(entry & QCOW2_OFFSET_MASK))
		qcow2_map_put(image, old);
	return r;
}

/* Where nothing is mapped and nothing lies below: bytes to leave alone from offset on. */
static uint64_t qcow2_zero_skip(const struct qcow2 *image, uint64_t offset)
{
	uint64_t span = UINT64_C(1) << (image->cluster_bits + image->l2_bits);

	if (image->backing || qcow2_map_has_table(image, offset))
		return 0;
	return span - (offset & (span - 1));
}

/* The range is held exclusively. Enters and leaves with the lock. */
static int qcow2_zero_held(struct qcow2 *image, uint64_t offset, uint64_t len, enum qcow2_wish wish)
{
	uint64_t end = offset + len;
	int r = 0, can;

	while (r == 0 && offset < end) {
		uint64_t in = offset & (image->cluster_size - 1);
		uint64_t piece = image->cluster_size - in, skip = qcow2_zero_skip(image, offset);

		if (skip > 0) {
			offset += skip;
			continue;
		}
		if (piece > end - offset)
			piece = end - offset;
		r = qcow2_refcount_relieve(image);
		can = 0;
		/* The disk's last cluster is whole if all that the disk has of it is. */
		if (r == 0 && in == 0 &&
		    (piece == image->cluster_size || offset + piece == image->format.size))
			r = qcow2_zero_cluster(image, offset, wish, &can);
		if (r == 0 && !can && wish != QCOW2_DISCARD)
			r = qcow2_write_zeroes(image, offset, piece);
		offset += piece;
	}
	return r;
}

static int qcow2_zero(struct format *format, uint64_t offset, uint64_t len, enum qcow2_wish wish)
{
	struct qcow2 *image = qcow2_of(format);
	struct qcow2_range range;
	int r = -EIO;

	if (len == 0)
		return 0;
	pthread_mutex_lock(&image->lock);
	if (!image->corrupt) {
		qcow2_range_enter(image, &range, offset, len, 1);
		r = qcow2_zero_held(image, offset, len, wish);
		qcow2_range_leave(image, &range);
	}
	pthread_mutex_unlock(&image->lock);
	return r;
}

static int qcow2_io_discard(struct format *format, uint64_t offset, uint64_t len)
{
	return qcow2_zero(format, offset, len, QCOW2_DISCARD);
}

static int qcow2_io_zero(struct format *format, uint64_t offset, uint64_t len, int unmap)
{
	return qcow2_zero(format, offset, len, unmap ? QCOW2_ZERO_UNMAP : QCOW2_ZERO_KEEP);
}

static void qcow2_io_free(struct format *format)
{
	qcow2_free(qcow2_of(format));
}

const struct format_ops qcow2_io_ops = {
	.name = "qcow2",
	.read = qcow2_io_read,
	.write = qcow2_io_write,
	.flush = qcow2_io_flush,
	.discard = qcow2_io_discard,
	.zero = qcow2_io_zero,
	.free = qcow2_io_free,
};
