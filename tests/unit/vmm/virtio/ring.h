/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RING_H
#define RING_H

#include <stdint.h>
#include <string.h>

#include "vmm/virtio/queue.h"

/*
 * The driver's side of a split virtqueue, for tests: rings at fixed places of the guest's memory. A test
 * may also write whatever it likes into them.
 */
#define RING_NEXT     1
#define RING_WRITE    2
#define RING_INDIRECT 4

struct ring_desc {
	uint64_t gpa;
	uint32_t len;
	uint16_t flags, next;
};

struct ring {
	struct queue_setup setup;
	struct ring_desc *desc;
	uint16_t *avail; /* flags, idx, ring..., used_event */
	uint16_t *used;	 /* flags, idx, then {id, len} of 4 bytes each..., avail_event */
	uint16_t seen_used;
};

/* Takes 16 KiB at base, which are zeroed. */
static inline void ring_init(struct ring *ring, const struct ram *ram, uint64_t base, uint16_t size)
{
	uint8_t *host = ram_at(ram, base, 0x4000);

	memset(host, 0, 0x4000);
	*ring = (struct ring){
		.setup = { .size = size,
			   .descriptors = base,
			   .driver = base + 0x2000,
			   .device = base + 0x3000 },
		.desc = (void *)host,
		.avail = (void *)(host + 0x2000),
		.used = (void *)(host + 0x3000),
	};
}

static inline void ring_set(struct ring *ring, unsigned int at, uint64_t gpa, uint32_t len,
			    uint16_t flags, uint16_t next)
{
	ring->desc[at] = (struct ring_desc){ .gpa = gpa, .len = len, .flags = flags, .next = next };
}

/* Makes the chain that starts at the descriptor available. */
static inline void ring_offer(struct ring *ring, uint16_t head)
{
	ring->avail[2 + ring->avail[1] % ring->setup.size] = head;
	__atomic_store_n(&ring->avail[1], (uint16_t)(ring->avail[1] + 1), __ATOMIC_RELEASE);
}

/* The next used chain: 1, 0 if there is none. */
static inline int ring_take(struct ring *ring, uint32_t *ret_head, uint32_t *ret_written)
{
	uint32_t elem[2];

	if (__atomic_load_n(&ring->used[1], __ATOMIC_ACQUIRE) == ring->seen_used)
		return 0;
	memcpy(elem, (uint8_t *)ring->used + 4 + 8 * (size_t)(ring->seen_used % ring->setup.size),
	       sizeof(elem));
	ring->seen_used++;
	*ret_head = elem[0];
	*ret_written = elem[1];
	return 1;
}

static inline uint16_t *ring_used_event(struct ring *ring)
{
	return &ring->avail[2 + ring->setup.size];
}

static inline uint16_t *ring_avail_event(struct ring *ring)
{
	return &ring->used[2 + 4 * ring->setup.size];
}

#endif
