// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the three rings become pointers once, when the driver enables the queue. The driver's index
 * is read again only when all that was seen of it is used up; each index is loaded with acquire and stored
 * with release, so what it publishes is there.
 *
 * Who says "I am going to sleep" and who says "there is more" do so in opposite order, each a store and then
 * a load: between the two a full fence stands on both sides, or a kick or an interrupt is lost. That is
 * queue_arm() here for kicks, queue_raise() for interrupts (virtio 1.2, 2.7.7 and 2.7.10).
 */
#include "vmm/virtio/queue.h"
#include "base/mem.h"

#include <string.h>

#define QUEUE_DESC_NEXT	    1U
#define QUEUE_DESC_WRITE    2U
#define QUEUE_DESC_INDIRECT 4U

#define QUEUE_AVAIL_NO_INTERRUPT 1U
#define QUEUE_USED_NO_NOTIFY	 1U

#define QUEUE_DESC_SIZE 16U
/* What all of a chain's segments may come to: virtio 1.2, 2.7.4.2. */
#define QUEUE_CHAIN_BYTES_MAX ((uint64_t)1 << 32)

struct queue_avail {
	uint16_t flags, idx;
	uint16_t ring[]; /* and behind it: used_event */
};

struct queue_used_elem {
	uint32_t id, len;
};

struct queue_used {
	uint16_t flags, idx;
	struct queue_used_elem ring[]; /* and behind it: avail_event */
};

struct queue_desc {
	uint64_t gpa;
	uint32_t len;
	uint16_t flags, next;
};

struct queue {
	const uint8_t *descriptors;
	const struct queue_avail *avail;
	struct queue_used *used;
	uint16_t mask;	     /* size - 1 */
	uint16_t next_avail; /* of the driver's index: what is popped next */
	uint16_t seen_avail; /* the driver's index when it was last read */
	uint16_t next_used;
	uint16_t armed_at; /* what avail_event says */
	uint16_t last_head;
	uint8_t enabled, broken, event_idx, wanted;
	uint8_t may_unpop;
	uint32_t unraised;		   /* pushes since queue_raise() */
	uint64_t out[QUEUE_SIZE_MAX / 64]; /* heads that were popped and not yet pushed */

	const struct ram *ram;
	void (*raise)(void *ctx);
	void *ctx;
	struct queue_setup setup;
	uint16_t size_max;
};

struct queue *queue_new(const struct ram *ram, uint16_t size_max, void (*raise)(void *ctx),
			void *ctx)
{
	struct queue *queue = mem_zalloc(sizeof(*queue));

	queue->ram = ram;
	queue->size_max = size_max < QUEUE_SIZE_MAX ? size_max : QUEUE_SIZE_MAX;
	queue->raise = raise;
	queue->ctx = ctx;
	return queue;
}

struct queue *queue_free(struct queue *queue)
{
	free(queue);
	return NULL;
}

uint16_t queue_size_max(const struct queue *queue)
{
	return queue->size_max;
}

void queue_reset(struct queue *queue)
{
	*queue = (struct queue){
		.ram = queue->ram,
		.size_max = queue->size_max,
		.raise = queue->raise,
		.ctx = queue->ctx,
	};
}

/* The event index that stands behind the ring which the device writes. */
static uint16_t *queue_avail_event(const struct queue *queue)
{
	return (uint16_t *)&queue->used->ring[queue->mask + 1];
}

static void *queue_ring(const struct queue *queue, uint64_t gpa, uint64_t len, uint64_t align)
{
	return gpa % align ? NULL : ram_at(queue->ram, gpa, len);
}

int queue_enable(struct queue *queue, const struct queue_setup *setup, int event_idx)
{
	uint32_t size = setup->size;
	void *descriptors, *avail, *used;

	if (!size || size > queue->size_max || (size & (size - 1)))
		return -EINVAL;
	descriptors = queue_ring(queue, setup->descriptors, (uint64_t)QUEUE_DESC_SIZE * size, 16);
	avail = queue_ring(queue, setup->driver, 6 + 2 * (uint64_t)size, 2);
	used = queue_ring(queue, setup->device, 6 + 8 * (uint64_t)size, 4);
	if (!descriptors || !avail || !used)
		return -EINVAL;
	queue_reset(queue);
	queue->setup = *setup;
	queue->descriptors = descriptors;
	queue->avail = avail;
	queue->used = used;
	queue->mask = (uint16_t)(size - 1);
	queue->event_idx = event_idx != 0;
	queue->wanted = 1;
	queue->enabled = 1;
	__atomic_store_n(&queue->used->flags, 0, __ATOMIC_RELAXED);
	if (event_idx)
		__atomic_store_n(queue_avail_event(queue), 0, __ATOMIC_RELAXED);
	return 0;
}

int queue_enabled(const struct queue *queue)
{
	return queue->enabled;
}

int queue_broken(const struct queue *queue)
{
	return queue->broken;
}

void queue_rings(const struct queue *queue, struct queue_setup *ret, void *ret_rings[3])
{
	*ret = queue->setup;
	ret_rings[0] = (void *)queue->descriptors;
	ret_rings[1] = (void *)queue->avail;
	ret_rings[2] = queue->used;
}

static int queue_break(struct queue *queue)
{
	queue->broken = 1;
	return -EBADMSG;
}

static int queue_look(struct queue *queue)
{
	queue->seen_avail = __atomic_load_n(&queue->avail->idx, __ATOMIC_ACQUIRE);
	return queue->seen_avail != queue->next_avail;
}

/* Asks for a kick with the next chain, then looks whether that is there already. */
static int queue_arm(struct queue *queue)
{
	if (queue->event_idx) {
		queue->armed_at = queue->next_avail;
		__atomic_store_n(queue_avail_event(queue), queue->armed_at, __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return queue_look(queue);
}

/* The queue is enabled and not broken. */
static int queue_more(struct queue *queue)
{
	if (queue->seen_avail != queue->next_avail || queue_look(queue))
		return 1;
	if (!queue->event_idx || !queue->wanted || queue->armed_at == queue->next_avail)
		return 0;
	return queue_arm(queue);
}

/* One read of the guest's memory: what the compiler sees afterwards is the copy. */
static struct queue_desc queue_read_desc(const uint8_t *table, uint32_t index)
{
	uint64_t half[2];

	memcpy(half, table + (size_t)QUEUE_DESC_SIZE * index, sizeof(half));
	__asm__("" : "+r"(half[0]), "+r"(half[1]));
	return (struct queue_desc){
		.gpa = half[0],
		.len = (uint32_t)half[1],
		.flags = (uint16_t)(half[1] >> 32),
		.next = (uint16_t)(half[1] >> 48),
	};
}

static int queue_add_segment(const struct queue *queue, struct queue_chain *chain,
			     const struct queue_desc *desc)
{
	unsigned int n = (unsigned int)chain->n_out + chain->n_in;
	int in = (desc->flags & QUEUE_DESC_WRITE) != 0;
	void *host;

	if (n == QUEUE_SIZE_MAX || (!in && chain->n_in))
		return -EBADMSG;
	host = ram_at(queue->ram, desc->gpa, desc->len);
	if (!host)
		return -EBADMSG;
	chain->segments[n] = (struct iovec){ .iov_base = host, .iov_len = desc->len };
	if (in) {
		chain->n_in++;
		chain->in_len += desc->len;
	} else {
		chain->n_out++;
		chain->out_len += desc->len;
	}
	return 0;
}

/*
 * Follows the chain through the table of n descriptors, and from the queue's table once into an indirect
 * one. As each step adds a segment or is the one into the indirect table, it ends.
 */
static int queue_walk(const struct queue *queue, struct queue_chain *chain)
{
	const uint8_t *table = queue->descriptors;
	uint32_t n = (uint32_t)queue->mask + 1, at = chain->head;
	int indirect = 0;

	for (;;) {
		struct queue_desc desc;

		if (at >= n)
			return -EBADMSG;
		desc = queue_read_desc(table, at);
		if (desc.flags & QUEUE_DESC_INDIRECT) {
			table = ram_at(queue->ram, desc.gpa, desc.len);
			if (!table || indirect || (desc.flags & QUEUE_DESC_NEXT) ||
			    desc.len % QUEUE_DESC_SIZE)
				return -EBADMSG;
			n = desc.len / QUEUE_DESC_SIZE;
			at = 0;
			indirect = 1;
			continue;
		}
		if (queue_add_segment(queue, chain, &desc) < 0)
			return -EBADMSG;
		if (!(desc.flags & QUEUE_DESC_NEXT))
			break;
		at = desc.next;
	}
	return chain->out_len + chain->in_len > QUEUE_CHAIN_BYTES_MAX ? -EBADMSG : 0;
}

static int queue_is_out(const struct queue *queue, uint16_t head)
{
	return queue->out[head / 64] >> (head % 64) & 1;
}

static void queue_set_out(struct queue *queue, uint16_t head)
{
	queue->out[head / 64] |= (uint64_t)1 << (head % 64);
}

static void queue_clear_out(struct queue *queue, uint16_t head)
{
	queue->out[head / 64] &= ~((uint64_t)1 << (head % 64));
}

int queue_pop(struct queue *queue, struct queue_chain *ret)
{
	uint16_t head;

	if (queue->broken)
		return -EBADMSG;
	if (!queue->enabled || !queue_more(queue))
		return 0;
	if ((uint16_t)(queue->seen_avail - queue->next_avail) > (uint32_t)queue->mask + 1)
		return queue_break(queue);
	head = __atomic_load_n(&queue->avail->ring[queue->next_avail & queue->mask],
			       __ATOMIC_RELAXED);
	if (head > queue->mask || queue_is_out(queue, head))
		return queue_break(queue);
	ret->head = head;
	ret->n_out = ret->n_in = 0;
	ret->out_len = ret->in_len = 0;
	if (queue_walk(queue, ret) < 0)
		return queue_break(queue);
	queue_set_out(queue, head);
	queue->last_head = head;
	queue->may_unpop = 1;
	queue->next_avail++;
	return 1;
}

void queue_unpop(struct queue *queue)
{
	if (!queue->may_unpop || !queue_is_out(queue, queue->last_head))
		return;
	queue->may_unpop = 0;
	queue_clear_out(queue, queue->last_head);
	queue->next_avail--;
}

int queue_has(struct queue *queue)
{
	return queue->enabled && !queue->broken && queue_more(queue);
}

void queue_push_all(struct queue *queue, const struct queue_done *done, size_t n)
{
	if (queue->broken || !queue->enabled)
		return;
	for (size_t i = 0; i < n; i++) {
		struct queue_used_elem *elem = &queue->used->ring[queue->next_used & queue->mask];

		if (done[i].head > queue->mask || !queue_is_out(queue, done[i].head))
			continue;
		queue_clear_out(queue, done[i].head);
		elem->id = done[i].head;
		elem->len = done[i].written;
		queue->next_used++;
		if (queue->unraised < UINT32_MAX)
			queue->unraised++;
	}
	__atomic_store_n(&queue->used->idx, queue->next_used, __ATOMIC_RELEASE);
}

void queue_push(struct queue *queue, uint16_t head, uint32_t written)
{
	queue_push_all(queue, &(struct queue_done){ .head = head, .written = written }, 1);
}

void queue_raise(struct queue *queue)
{
	uint32_t pushed = queue->unraised;
	uint16_t event;

	if (!pushed || queue->broken)
		return;
	queue->unraised = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!queue->event_idx) {
		if (!(__atomic_load_n(&queue->avail->flags, __ATOMIC_RELAXED) &
		      QUEUE_AVAIL_NO_INTERRUPT))
			queue->raise(queue->ctx);
		return;
	}
	/* the driver wants to hear when its used_event is among the entries that are new */
	event = __atomic_load_n(&queue->avail->ring[queue->mask + 1], __ATOMIC_RELAXED);
	if ((uint16_t)(queue->next_used - event - 1) < pushed)
		queue->raise(queue->ctx);
}

int queue_want_kicks(struct queue *queue, int wanted)
{
	if (!queue->enabled || queue->broken)
		return 0;
	queue->wanted = wanted != 0;
	if (!queue->event_idx)
		__atomic_store_n(&queue->used->flags, wanted ? 0 : QUEUE_USED_NO_NOTIFY,
				 __ATOMIC_RELAXED);
	/* with event indices, one that stays behind is enough not to be kicked */
	if (wanted)
		return queue_arm(queue);
	return queue->seen_avail != queue->next_avail || queue_look(queue);
}

/* Walks the segments from offset on; out of the chain or into it. */
static size_t queue_copy(const struct iovec *segments, unsigned int n, size_t offset, uint8_t *data,
			 size_t len, int out)
{
	size_t done = 0;

	for (unsigned int i = 0; i < n && done < len; i++) {
		size_t part = segments[i].iov_len;
		uint8_t *at = segments[i].iov_base;

		if (offset >= part) {
			offset -= part;
			continue;
		}
		part = part - offset < len - done ? part - offset : len - done;
		if (out)
			memcpy(data + done, at + offset, part);
		else
			memcpy(at + offset, data + done, part);
		done += part;
		offset = 0;
	}
	return done;
}

size_t queue_copy_out(const struct queue_chain *chain, size_t offset, void *data, size_t len)
{
	return queue_copy(chain->segments, chain->n_out, offset, data, len, 1);
}

size_t queue_copy_in(const struct queue_chain *chain, size_t offset, const void *data, size_t len)
{
	return queue_copy(&chain->segments[chain->n_out], chain->n_in, offset, (uint8_t *)data, len,
			  0);
}
