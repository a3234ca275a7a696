/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_VIRTIO_VIRTIO_H
#define VMM_VIRTIO_VIRTIO_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "vmm/mem/ram.h"
#include "vmm/virtio/queue.h"

/*
 * A virtio device between its transport, which speaks with the driver, and its kind (blk, net...), which
 * does the work and knows queues only (virtio 1.2, sections 2 and 3.1).
 *
 * Everything here runs with the device lock held, in the device thread or in a vCPU's: no call blocks.
 */
struct virtio;

/* Bits of every device: virtio 1.2 section 6. The core offers and handles these by itself, the last one
 * where the kind has reset_queue(). */
#define VIRTIO_F_INDIRECT_DESC 28
#define VIRTIO_F_EVENT_IDX     29
#define VIRTIO_F_VERSION_1     32
#define VIRTIO_F_RING_RESET    40

/* Device status: virtio 1.2 section 2.1. */
#define VIRTIO_STATUS_ACKNOWLEDGE 1
#define VIRTIO_STATUS_DRIVER	  2
#define VIRTIO_STATUS_DRIVER_OK	  4
#define VIRTIO_STATUS_FEATURES_OK 8
#define VIRTIO_STATUS_NEEDS_RESET 64
#define VIRTIO_STATUS_FAILED	  128

#define VIRTIO_NO_VECTOR 0xffff

#define VIRTIO_QUEUES_MAX 64

/* What a kind of device is; static where it can be. */
struct virtio_ops {
	/* The device's configuration: len bytes at offset, both within config_size. Writes: NULL: ignored. */
	void (*config_read)(void *ctx, uint32_t offset, void *data, size_t len);
	void (*config_write)(void *ctx, uint32_t offset, const void *data, size_t len);
	/* The driver is ready (DRIVER_OK) with these features. -errno: the device needs a reset. NULL: fine. */
	int (*activate)(void *ctx, uint64_t features);
	/* The driver has kicked the queue, which is enabled. */
	void (*kick)(void *ctx, unsigned int queue);
	/*
	 * Gives up every chain and everything else of the driver's. Returns 0; or 1 if requests are still
	 * under way, and virtio_reset_done() comes once nothing touches guest memory any more.
	 */
	int (*reset)(void *ctx);
	void (*free)(void *ctx);
	/* The same for one queue, which the driver may set up anew while the device works; what is under way
	 * ends with virtio_reset_queue_done(). NULL: the driver cannot. */
	int (*reset_queue)(void *ctx, unsigned int queue);
};

struct virtio_kind {
	const char *name;
	uint16_t type;	       /* virtio 1.2 section 5 */
	uint64_t features;     /* what it offers, beside the core's */
	unsigned int n_queues; /* at most VIRTIO_QUEUES_MAX */
	uint16_t queue_size;   /* of each, at most QUEUE_SIZE_MAX */
	uint32_t config_size;
	const struct virtio_ops *ops;
};

/* What a device gets from the machine. */
struct virtio_host {
	struct loop *loop;
	struct ram *ram;
};

/* How the core reaches the transport. */
struct virtio_transport_ops {
	/* Raises the interrupt of the queue, or of the configuration (-1). */
	void (*raise)(void *ctx, int queue);
	/* Kicks of the queue go to kick() again, or (0) to whoever holds virtio_kick_fd(). */
	void (*take_kicks)(void *ctx, unsigned int queue, int take);
	int (*kick_fd)(void *ctx, unsigned int queue);
	int (*call_fd)(void *ctx, unsigned int queue); /* -EBADF while the queue has no vector */
};

/* For kinds. The device takes over ctx: ops->free(ctx) ends it. kind is copied. */
struct virtio *virtio_new(const struct virtio_host *host, const struct virtio_kind *kind,
			  void *ctx);
struct virtio *virtio_free(struct virtio *virtio); /* returns NULL */

void *virtio_ctx(const struct virtio *virtio); /* virtio_new()'s */
struct queue *virtio_queue(struct virtio *virtio, unsigned int queue);
/* The driver took the feature. */
int virtio_has(const struct virtio *virtio, unsigned int bit);
/* DRIVER_OK is set and the device does not need a reset: queues may be used. */
int virtio_active(const struct virtio *virtio);
/* The configuration is another: tells the driver. */
void virtio_config_changed(struct virtio *virtio);
/* What the driver does makes no sense: it must reset the device. Call it when a queue is broken. */
void virtio_break(struct virtio *virtio);
void virtio_reset_done(struct virtio *virtio);
void virtio_reset_queue_done(struct virtio *virtio, unsigned int queue);
/* For vhost: descriptors stay the transport's. */
void virtio_offload(struct virtio *virtio, unsigned int queue, int offloaded);
int virtio_kick_fd(struct virtio *virtio, unsigned int queue);
int virtio_call_fd(struct virtio *virtio, unsigned int queue);

/* For transports. */
void virtio_attach(struct virtio *virtio, const struct virtio_transport_ops *ops, void *ctx);
const struct virtio_kind *virtio_kind(const struct virtio *virtio);
uint64_t virtio_offered(const struct virtio *virtio);
uint64_t virtio_accepted(const struct virtio *virtio);
/* The driver's choice, half (0 or 1) by half; ignored outside of its window (3.1.1). */
void virtio_accept(struct virtio *virtio, unsigned int half, uint32_t bits);
uint8_t virtio_status(const struct virtio *virtio);
/* 0 resets. Reading it back gives 0 only once the reset is done. */
void virtio_set_status(struct virtio *virtio, uint8_t status);
uint8_t virtio_generation(const struct virtio *virtio);
/* Enables the queue; ignored outside of its window. */
void virtio_enable_queue(struct virtio *virtio, unsigned int queue,
			 const struct queue_setup *setup);
/* If the driver took RING_RESET. */
void virtio_reset_queue(struct virtio *virtio, unsigned int queue);
int virtio_queue_resetting(const struct virtio *virtio, unsigned int queue);
void virtio_kicked(struct virtio *virtio, unsigned int queue);
/* Any offset and length; what is beyond the configuration reads as 0. */
void virtio_config_read(struct virtio *virtio, uint64_t offset, void *data, size_t len);
void virtio_config_write(struct virtio *virtio, uint64_t offset, const void *data, size_t len);

#endif
