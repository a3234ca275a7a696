/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_VIRTIO_QUEUE_H
#define VMM_VIRTIO_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/mem/ram.h"

/*
 * A split virtqueue (virtio 1.2, section 2.7) from the device's side, with indirect descriptors and
 * VIRTIO_F_EVENT_IDX. The rings lie in the guest's memory and are hostile.
 *
 * Invariants:
 *  1. A chain that was popped is pushed exactly once, or the queue is reset.
 *  2. A chain's descriptors were read once, and its segments are memory: the pointers stay valid for as
 *     long as the machine has its memory, though what they point to may change at any time.
 *  3. A queue that was found broken stays so until it is reset: queue_pop() goes on to say -EBADMSG, and
 *     push and raise do nothing.
 *  4. A head is out once at most: what the driver offers again before it got it back breaks the queue, and
 *     pushing a head that is not out does nothing. So a device may index its requests by head.
 */
struct queue;

/* Largest queue that a device may offer, and most segments of one chain: a driver may make chains as long
 * as the queue is large. */
#define QUEUE_SIZE_MAX 256

struct queue_chain {
	uint16_t head;
	uint16_t n_out, n_in;		       /* segments to read, then segments to write */
	uint64_t out_len, in_len;	       /* bytes in each */
	struct iovec segments[QUEUE_SIZE_MAX]; /* first those of out, then those of in */
};

/* The part of a queue that a driver sets up before it enables it. */
struct queue_setup {
	uint16_t size; /* a power of two up to what the device offers */
	uint64_t descriptors, driver,
		device; /* GPAs of the descriptor table, available and used rings */
};

/* raise: tells the driver that there is something new in the used ring. */
struct queue *queue_new(const struct ram *ram, uint16_t size_max, void (*raise)(void *ctx),
			void *ctx);
struct queue *queue_free(struct queue *queue); /* returns NULL */

uint16_t queue_size_max(const struct queue *queue);

/* -EINVAL, and the queue is as before, unless the three rings are aligned and all memory. */
int queue_enable(struct queue *queue, const struct queue_setup *setup, int event_idx);
void queue_reset(struct queue *queue);
int queue_enabled(const struct queue *queue);
int queue_broken(const struct queue *queue);

/* What vhost wants: the set-up of an enabled queue, and the rings as pointers. */
void queue_rings(const struct queue *queue, struct queue_setup *ret, void *ret_rings[3]);

/*
 * The next chain: 1, 0 if there is none (or the queue is not enabled), -EBADMSG if the rings are broken.
 * An empty or only partly readable chain never comes out.
 */
int queue_pop(struct queue *queue, struct queue_chain *ret);
/* Puts the chain that was popped last back, as if it had not been; nothing if that was pushed already. */
void queue_unpop(struct queue *queue);

/* Is there something to pop? Where pop or this say no, the driver kicks (if kicks are wanted) for more. */
int queue_has(struct queue *queue);

/* The chain is done; written: bytes that went into its in segments, from their start. */
void queue_push(struct queue *queue, uint16_t head, uint32_t written);

/* The same for several chains, which the driver finds in its ring all at once. */
struct queue_done {
	uint16_t head;
	uint32_t written;
};
void queue_push_all(struct queue *queue, const struct queue_done *done, size_t n);

/* After pushes: raises the interrupt if the driver asked for one. */
void queue_raise(struct queue *queue);

/*
 * Kicks are wanted (they are after queue_enable()) or not. Returns 1 if there is something to pop, which
 * after wanting may have come without a kick: handle it, or it waits for ever.
 */
int queue_want_kicks(struct queue *queue, int wanted);

/* Copies between a buffer and a chain's segments, from offset on; bytes copied, less at the chain's end. */
size_t queue_copy_out(const struct queue_chain *chain, size_t offset, void *data, size_t len);
size_t queue_copy_in(const struct queue_chain *chain, size_t offset, const void *data, size_t len);

#endif
