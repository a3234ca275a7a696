/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_VMM_VIRTIO_DRIVER_H
#define TESTS_VMM_VIRTIO_DRIVER_H

/*
 * The guest's side of a device, for tests: a driver that sets up split queues in real guest memory, and a
 * transport that counts interrupts. What the device's loop has to do is done by driver_turn().
 */

#include "base/mem.h"
#include "vmm/virtio/virtio.h"

#include <string.h>
#include <sys/eventfd.h>

#define DRIVER_MEMORY ((uint64_t)16 << 20)
/* The first MiB is for rings; tests have the rest. */
#define DRIVER_RINGS 0x1000ULL
#define DRIVER_DATA  0x100000ULL

struct driver_desc {
	uint64_t gpa;
	uint32_t len;
	uint16_t flags, next;
};

struct driver_queue {
	struct driver_desc *desc;
	uint16_t *avail, *used; /* flags, idx, ring */
	uint16_t size, used_seen, n_free;
	uint16_t free[QUEUE_SIZE_MAX];
	uint16_t chained[QUEUE_SIZE_MAX]; /* descriptors of the chain that starts there */
	int raised;
};

struct driver {
	struct ram *ram;
	struct loop *loop;
	struct virtio_host host;
	struct virtio *virtio;
	struct driver_queue queues[VIRTIO_QUEUES_MAX];
	int config_raised;
	int bell, turns;
	int kick; /* what a device gets that lets others serve its queues; -EBADF: nothing */
};

struct driver_part {
	uint64_t gpa;
	uint32_t len;
	int in; /* for the device to write */
};

static inline void driver_raise(void *ctx, int queue)
{
	struct driver *driver = ctx;

	if (queue < 0)
		driver->config_raised++;
	else
		driver->queues[queue].raised++;
}

static inline void driver_take_kicks(void *ctx _unused_, unsigned int queue _unused_,
				     int take _unused_)
{
}

static inline int driver_kick_fd(void *ctx, unsigned int queue _unused_)
{
	return ((struct driver *)ctx)->kick;
}

static inline int driver_no_fd(void *ctx _unused_, unsigned int queue _unused_)
{
	return -EBADF;
}

static const struct virtio_transport_ops driver_transport _unused_ = {
	.raise = driver_raise,
	.take_kicks = driver_take_kicks,
	.kick_fd = driver_kick_fd,
	.call_fd = driver_no_fd,
};

static inline void driver_init_with(struct driver *driver, int shared)
{
	struct ram_options options = { .size = DRIVER_MEMORY, .shared = shared };
	struct err err = ERR_INIT;

	*driver = (struct driver){ .bell = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK), .kick = -EBADF };
	if (driver->bell < 0 || ram_new(&options, &driver->ram, &err) < 0 ||
	    loop_new(&driver->loop, &err) < 0)
		abort();
	driver->host = (struct virtio_host){ .loop = driver->loop, .ram = driver->ram };
}

static inline void driver_init(struct driver *driver)
{
	driver_init_with(driver, 0);
}

static inline void driver_release(struct driver *driver)
{
	virtio_free(driver->virtio);
	ram_free(driver->ram);
	loop_free(driver->loop);
	fd_close(driver->bell);
}

static inline void driver_ring(void *ctx, uint32_t events _unused_)
{
	struct driver *driver = ctx;

	if (--driver->turns <= 0)
		loop_exit(driver->loop, 0);
}

/* The loop goes round so often, waiting for nothing. */
static inline void driver_turns(struct driver *driver, int turns)
{
	struct loop_source *bell =
		loop_watch_fd(driver->loop, driver->bell, EPOLLIN, driver_ring, driver);

	driver->turns = turns;
	(void)loop_run(driver->loop);
	loop_source_free(bell);
}

static inline void driver_turn(struct driver *driver)
{
	driver_turns(driver, 4);
}

static inline void *driver_at(const struct driver *driver, uint64_t gpa, uint64_t len)
{
	void *at = ram_at(driver->ram, gpa, len);

	if (!at)
		abort();
	return at;
}

/* 8 KiB each: descriptors, available ring at 4 KiB, used ring at 5 KiB. */
static inline void driver_setup_queue(struct driver *driver, unsigned int index)
{
	struct driver_queue *queue = &driver->queues[index];
	uint64_t gpa = DRIVER_RINGS + 0x2000ULL * index;
	struct queue_setup setup = { .descriptors = gpa,
				     .driver = gpa + 0x1000,
				     .device = gpa + 0x1400 };

	*queue = (struct driver_queue){ .size = queue_size_max(
						virtio_queue(driver->virtio, index)) };
	queue->n_free = setup.size = queue->size;
	for (uint16_t i = 0; i < queue->size; i++)
		queue->free[i] = (uint16_t)(queue->size - 1 - i);
	queue->desc = driver_at(driver, gpa, 0x2000);
	memset(queue->desc, 0, 0x2000);
	queue->avail = driver_at(driver, setup.driver, 0x400);
	queue->used = driver_at(driver, setup.device, 0xc00);
	virtio_enable_queue(driver->virtio, index, &setup);
}

/* Up to where queues are filled; the caller sets DRIVER_OK. */
static inline void driver_prepare(struct driver *driver, uint64_t features)
{
	struct virtio *virtio = driver->virtio;

	features |= 1ULL << VIRTIO_F_VERSION_1;
	virtio_attach(virtio, &driver_transport, driver);
	virtio_set_status(virtio, 0);
	virtio_set_status(virtio, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	virtio_accept(virtio, 0, (uint32_t)features);
	virtio_accept(virtio, 1, (uint32_t)(features >> 32));
	virtio_set_status(virtio, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
					  VIRTIO_STATUS_FEATURES_OK);
	for (unsigned int i = 0; i < virtio_kind(virtio)->n_queues; i++)
		driver_setup_queue(driver, i);
}

static inline void driver_start(struct driver *driver, uint64_t features)
{
	driver_prepare(driver, features);
	virtio_set_status(driver->virtio, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
						  VIRTIO_STATUS_FEATURES_OK |
						  VIRTIO_STATUS_DRIVER_OK);
}

/* Offers the chain; its head, or -1 if the queue has not so many descriptors left. */
static inline int driver_add(struct driver *driver, unsigned int index,
			     const struct driver_part *parts, uint16_t n)
{
	struct driver_queue *queue = &driver->queues[index];
	uint16_t head = 0, next = 0;

	if (queue->n_free < n)
		return -1;
	for (uint16_t i = n; i-- > 0;) {
		head = queue->free[--queue->n_free];
		queue->desc[head] = (struct driver_desc){
			.gpa = parts[i].gpa,
			.len = parts[i].len,
			.flags = (uint16_t)((parts[i].in ? 2 : 0) | (i + 1 < n ? 1 : 0)),
			.next = next,
		};
		next = head;
	}
	queue->chained[head] = n;
	queue->avail[2 + queue->avail[1] % queue->size] = head;
	__atomic_store_n(&queue->avail[1], (uint16_t)(queue->avail[1] + 1), __ATOMIC_RELEASE);
	return head;
}

static inline void driver_kick(struct driver *driver, unsigned int index)
{
	virtio_kicked(driver->virtio, index);
}

/* One part, and a kick. */
static inline int driver_give(struct driver *driver, unsigned int index, uint64_t gpa, uint32_t len,
			      int in)
{
	struct driver_part part = { .gpa = gpa, .len = len, .in = in };
	int head = driver_add(driver, index, &part, 1);

	driver_kick(driver, index);
	return head;
}

/* The next chain that came back: its head and what was written; -1 if there is none. */
static inline int driver_used(struct driver *driver, unsigned int index, uint32_t *ret_len)
{
	struct driver_queue *queue = &driver->queues[index];
	uint32_t elem[2];
	uint16_t at;

	if (__atomic_load_n(&queue->used[1], __ATOMIC_ACQUIRE) == queue->used_seen)
		return -1;
	memcpy(elem, &queue->used[2 + 4 * (queue->used_seen++ % queue->size)], sizeof(elem));
	if (ret_len)
		*ret_len = elem[1];
	at = (uint16_t)elem[0];
	for (uint16_t n = queue->chained[elem[0]]; n > 0; n--) {
		queue->free[queue->n_free++] = at;
		at = queue->desc[at].next;
	}
	return (int)elem[0];
}

#endif
