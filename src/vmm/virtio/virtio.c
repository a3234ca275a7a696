// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the driver walks the status upwards (virtio 1.2, 3.1.1), and each step opens and closes what
 * it may set: features between DRIVER and FEATURES_OK, queues from there to DRIVER_OK. What comes outside of
 * its window is ignored.
 *
 * Invariants:
 *  1. The kind is active from activate() to reset(); kicks reach it only meanwhile.
 *  2. While a reset is under way nothing changes but by virtio_reset_done(), and the status is not 0.
 *  3. NEEDS_RESET ends with a reset only.
 */
#include "vmm/virtio/virtio.h"
#include "base/log.h"
#include "base/mem.h"

#include <string.h>

#define VIRTIO_BIT(bit) ((uint64_t)1 << (bit))

struct virtio_slot {
	struct virtio *virtio;
	struct queue *queue;
	unsigned int index;
	uint8_t offloaded, resetting;
};

struct virtio {
	struct virtio_kind kind;
	void *ctx;
	const struct virtio_transport_ops *transport;
	void *transport_ctx;
	uint64_t offered, accepted;
	uint8_t status, generation, resetting;
	struct virtio_slot slots[];
};

static void virtio_raise_queue(void *ctx)
{
	struct virtio_slot *slot = ctx;
	struct virtio *virtio = slot->virtio;

	if (virtio->transport)
		virtio->transport->raise(virtio->transport_ctx, (int)slot->index);
}

static uint64_t virtio_core_features(const struct virtio_kind *kind)
{
	uint64_t features = VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_F_EVENT_IDX) |
			    VIRTIO_BIT(VIRTIO_F_VERSION_1);

	if (kind->ops->reset_queue)
		features |= VIRTIO_BIT(VIRTIO_F_RING_RESET);
	return features;
}

struct virtio *virtio_new(const struct virtio_host *host, const struct virtio_kind *kind, void *ctx)
{
	unsigned int n = kind->n_queues < VIRTIO_QUEUES_MAX ? kind->n_queues : VIRTIO_QUEUES_MAX;
	struct virtio *virtio = mem_zalloc(sizeof(*virtio) + n * sizeof(virtio->slots[0]));

	virtio->kind = *kind;
	virtio->kind.n_queues = n;
	virtio->ctx = ctx;
	virtio->offered = kind->features | virtio_core_features(kind);
	for (unsigned int i = 0; i < n; i++) {
		struct virtio_slot *slot = &virtio->slots[i];

		slot->virtio = virtio;
		slot->index = i;
		slot->queue = queue_new(host->ram, kind->queue_size, virtio_raise_queue, slot);
	}
	return virtio;
}

struct virtio *virtio_free(struct virtio *virtio)
{
	if (!virtio)
		return NULL;
	if (virtio->kind.ops->free)
		virtio->kind.ops->free(virtio->ctx);
	for (unsigned int i = 0; i < virtio->kind.n_queues; i++)
		queue_free(virtio->slots[i].queue);
	free(virtio);
	return NULL;
}

void *virtio_ctx(const struct virtio *virtio)
{
	return virtio->ctx;
}

struct queue *virtio_queue(struct virtio *virtio, unsigned int queue)
{
	return queue < virtio->kind.n_queues ? virtio->slots[queue].queue : NULL;
}

int virtio_has(const struct virtio *virtio, unsigned int bit)
{
	return (virtio->accepted & VIRTIO_BIT(bit)) != 0;
}

int virtio_active(const struct virtio *virtio)
{
	unsigned int bits =
		VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED;

	return (virtio->status & bits) == VIRTIO_STATUS_DRIVER_OK && !virtio->resetting;
}

/* A driver that is not ready is not told: it reads the configuration later anyway. */
static void virtio_tell(struct virtio *virtio)
{
	if (virtio->transport && (virtio->status & VIRTIO_STATUS_DRIVER_OK) && !virtio->resetting)
		virtio->transport->raise(virtio->transport_ctx, -1);
}

void virtio_config_changed(struct virtio *virtio)
{
	virtio->generation++;
	virtio_tell(virtio);
}

void virtio_break(struct virtio *virtio)
{
	if (!virtio->status || (virtio->status & VIRTIO_STATUS_NEEDS_RESET))
		return;
	log_debug("%s: the driver broke its device", virtio->kind.name);
	virtio->status |= VIRTIO_STATUS_NEEDS_RESET;
	virtio_tell(virtio);
}

void virtio_offload(struct virtio *virtio, unsigned int queue, int offloaded)
{
	struct virtio_slot *slot = &virtio->slots[queue];

	if (slot->offloaded == (offloaded != 0))
		return;
	slot->offloaded = offloaded != 0;
	if (virtio->transport)
		virtio->transport->take_kicks(virtio->transport_ctx, queue, !offloaded);
}

int virtio_kick_fd(struct virtio *virtio, unsigned int queue)
{
	return virtio->transport ? virtio->transport->kick_fd(virtio->transport_ctx, queue)
				 : -EBADF;
}

int virtio_call_fd(struct virtio *virtio, unsigned int queue)
{
	return virtio->transport ? virtio->transport->call_fd(virtio->transport_ctx, queue)
				 : -EBADF;
}

void virtio_attach(struct virtio *virtio, const struct virtio_transport_ops *ops, void *ctx)
{
	virtio->transport = ops;
	virtio->transport_ctx = ctx;
}

const struct virtio_kind *virtio_kind(const struct virtio *virtio)
{
	return &virtio->kind;
}

uint64_t virtio_offered(const struct virtio *virtio)
{
	return virtio->offered;
}

uint64_t virtio_accepted(const struct virtio *virtio)
{
	return virtio->accepted;
}

void virtio_accept(struct virtio *virtio, unsigned int half, uint32_t bits)
{
	unsigned int window = VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK;

	if (half > 1 || virtio->resetting || (virtio->status & window) != VIRTIO_STATUS_DRIVER)
		return;
	virtio->accepted &= half ? UINT32_MAX : ~(uint64_t)UINT32_MAX;
	virtio->accepted |= (uint64_t)bits << (half ? 32 : 0);
}

uint8_t virtio_status(const struct virtio *virtio)
{
	return virtio->status;
}

static void virtio_clear_queue(struct virtio *virtio, unsigned int queue)
{
	virtio_offload(virtio, queue, 0);
	queue_reset(virtio->slots[queue].queue);
	virtio->slots[queue].resetting = 0;
}

static void virtio_clear(struct virtio *virtio)
{
	for (unsigned int i = 0; i < virtio->kind.n_queues; i++)
		virtio_clear_queue(virtio, i);
	virtio->accepted = 0;
	virtio->status = 0;
	virtio->resetting = 0;
}

static void virtio_reset(struct virtio *virtio)
{
	if (!virtio->status)
		return;
	virtio->resetting = 1;
	if (!virtio->kind.ops->reset || virtio->kind.ops->reset(virtio->ctx) == 0)
		virtio_clear(virtio);
}

void virtio_reset_done(struct virtio *virtio)
{
	if (virtio->resetting)
		virtio_clear(virtio);
}

/* A driver may have filled a queue before it set DRIVER_OK, and not kick again. */
static void virtio_kick_filled(struct virtio *virtio)
{
	for (unsigned int i = 0; i < virtio->kind.n_queues; i++) {
		if (!virtio->slots[i].offloaded && queue_has(virtio->slots[i].queue))
			virtio_kicked(virtio, i);
	}
}

static void virtio_activate(struct virtio *virtio)
{
	int r = virtio->kind.ops->activate
			? virtio->kind.ops->activate(virtio->ctx, virtio->accepted)
			: 0;

	if (r < 0) {
		log_debug("%s: cannot start: %s", virtio->kind.name, strerror(-r));
		virtio_break(virtio);
	} else {
		virtio_kick_filled(virtio);
	}
}

/* FEATURES_OK stays off where the driver must choose again. */
static int virtio_features_good(const struct virtio *virtio)
{
	return !(virtio->accepted & ~virtio->offered) && virtio_has(virtio, VIRTIO_F_VERSION_1);
}

void virtio_set_status(struct virtio *virtio, uint8_t status)
{
	static const uint8_t steps[] = { VIRTIO_STATUS_ACKNOWLEDGE, VIRTIO_STATUS_DRIVER,
					 VIRTIO_STATUS_FEATURES_OK, VIRTIO_STATUS_DRIVER_OK };
	uint8_t before = virtio->status;

	if (virtio->resetting)
		return;
	if (!status) {
		virtio_reset(virtio);
		return;
	}
	if (before & VIRTIO_STATUS_FAILED)
		return;
	/* each step needs those before it, and none is taken back */
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (before & steps[i])
			continue;
		if (!(status & steps[i]))
			break;
		if (steps[i] == VIRTIO_STATUS_FEATURES_OK && !virtio_features_good(virtio))
			break;
		virtio->status |= steps[i];
	}
	virtio->status |= status & VIRTIO_STATUS_FAILED;
	if (!(before & VIRTIO_STATUS_DRIVER_OK) && virtio_active(virtio))
		virtio_activate(virtio);
}

uint8_t virtio_generation(const struct virtio *virtio)
{
	return virtio->generation;
}

/* Queues are set up before DRIVER_OK; later only by a driver that may reset them one by one. */
static int virtio_queue_window(const struct virtio *virtio, unsigned int queue)
{
	if (queue >= virtio->kind.n_queues || virtio->resetting ||
	    !(virtio->status & VIRTIO_STATUS_FEATURES_OK))
		return 0;
	return !(virtio->status & VIRTIO_STATUS_DRIVER_OK) ||
	       virtio_has(virtio, VIRTIO_F_RING_RESET);
}

void virtio_enable_queue(struct virtio *virtio, unsigned int queue, const struct queue_setup *setup)
{
	struct virtio_slot *slot;

	if (!virtio_queue_window(virtio, queue))
		return;
	slot = &virtio->slots[queue];
	if (slot->resetting || queue_enabled(slot->queue))
		return;
	if (queue_enable(slot->queue, setup, virtio_has(virtio, VIRTIO_F_EVENT_IDX)) < 0)
		virtio_break(virtio);
}

void virtio_reset_queue(struct virtio *virtio, unsigned int queue)
{
	struct virtio_slot *slot;

	if (!virtio_queue_window(virtio, queue) || !virtio_has(virtio, VIRTIO_F_RING_RESET))
		return;
	slot = &virtio->slots[queue];
	if (slot->resetting || !queue_enabled(slot->queue))
		return;
	slot->resetting = 1;
	if (virtio->kind.ops->reset_queue(virtio->ctx, queue) == 0)
		virtio_clear_queue(virtio, queue);
}

void virtio_reset_queue_done(struct virtio *virtio, unsigned int queue)
{
	if (virtio->slots[queue].resetting)
		virtio_clear_queue(virtio, queue);
}

int virtio_queue_resetting(const struct virtio *virtio, unsigned int queue)
{
	return queue < virtio->kind.n_queues && virtio->slots[queue].resetting;
}

void virtio_kicked(struct virtio *virtio, unsigned int queue)
{
	if (queue >= virtio->kind.n_queues || !virtio_active(virtio) ||
	    virtio->slots[queue].resetting || !queue_enabled(virtio->slots[queue].queue))
		return;
	if (virtio->kind.ops->kick)
		virtio->kind.ops->kick(virtio->ctx, queue);
}

/* Bytes of an access that are within the configuration, which starts at its offset. */
static size_t virtio_config_part(const struct virtio *virtio, uint64_t offset, size_t len)
{
	uint64_t size = virtio->kind.config_size;

	if (offset >= size)
		return 0;
	return len < size - offset ? len : (size_t)(size - offset);
}

void virtio_config_read(struct virtio *virtio, uint64_t offset, void *data, size_t len)
{
	size_t part = virtio_config_part(virtio, offset, len);

	memset(data, 0, len);
	if (part && virtio->kind.ops->config_read)
		virtio->kind.ops->config_read(virtio->ctx, (uint32_t)offset, data, part);
}

void virtio_config_write(struct virtio *virtio, uint64_t offset, const void *data, size_t len)
{
	size_t part = virtio_config_part(virtio, offset, len);

	if (part && !virtio->resetting && virtio->kind.ops->config_write)
		virtio->kind.ops->config_write(virtio->ctx, (uint32_t)offset, data, part);
}
