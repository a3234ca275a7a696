// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A request is popped, its header copied, and handed to the disk as one or more steps: a write is followed
 * by a flush where the driver wants its writes to be on the disk at once, and a discard has a step for each of
 * its ranges. When the last step is done, or one has failed, the status byte is written and the chain pushed;
 * the driver is told once for all that was done together.
 *
 * Invariants:
 *  1. A request is in its queue's free list or counted in its queue's under_way, never both.
 *  2. While a queue resets nothing is pushed to it or popped from it; it ends when nothing is under way.
 *  3. The disk gets no range that is not within it, whatever the header says.
 */
#include "vmm/virtio/blk.h"
#include "base/mem.h"
#include "disk/vector.h"

#include <endian.h>
#include <limits.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <string.h>

#define BLK_SECTOR 512U
/* Ranges of one discard or write-zeroes request, and the longest: 2 GiB. */
#define BLK_RANGES	  16
#define BLK_RANGE_SECTORS (UINT32_C(1) << 22)
/* Requests of one kick before others have their turn. */
#define BLK_BATCH    (2 * QUEUE_SIZE_MAX)
#define BLK_BIT(bit) (UINT64_C(1) << (bit))

struct blk_queue;

struct blk_request {
	struct disk_request io;
	struct blk_queue *queue;
	struct blk_request *next; /* free */
	struct iovec *iov;
	size_t iov_room;
	uint8_t *status; /* in the guest's memory */
	uint32_t in_len; /* bytes the chain has to write to, with the status */
	uint16_t head;
	uint8_t flush_after;
	uint8_t n_ranges, at_range;
	struct virtio_blk_discard_write_zeroes ranges[BLK_RANGES];
};

struct blk_queue {
	struct blk *blk;
	unsigned int index;
	struct queue *queue;
	struct blk_request *free;
	unsigned int under_way;
	uint8_t resetting, /* the driver waits for virtio_reset_queue_done() */
		pushed;	   /* since it was raised */
};

struct blk {
	struct virtio *virtio;
	struct disk *disk;
	struct loop_source *again; /* goes on with kicked queues that had their turn */
	char serial[BLK_SERIAL_MAX];
	uint64_t features; /* the driver's */
	uint8_t read_only;
	uint8_t writeback; /* as the driver configures it */
	uint8_t stopping;  /* a reset is under way */
	uint8_t waiting;   /* and the driver waits for virtio_reset_done() */
	struct virtio_blk_config config;
	struct queue_chain chain; /* the one that is being looked at */
	unsigned int n_queues;
	struct blk_queue queues[];
};

static int blk_has(const struct blk *blk, unsigned int bit)
{
	return (blk->features & BLK_BIT(bit)) != 0;
}

/* Requests and their lists of segments are kept for the next ones: a queue has no more than its size. */
static struct blk_request *blk_request_new(struct blk_queue *queue)
{
	struct blk_request *request = queue->free;

	if (request)
		queue->free = request->next;
	else
		request = mem_zalloc(sizeof(*request));
	request->queue = queue;
	request->flush_after = 0;
	request->n_ranges = 0;
	request->at_range = 0;
	queue->under_way++;
	return request;
}

/* Ends the request; its chain is pushed unless the queue is going away. */
static void blk_request_end(struct blk_request *request, uint8_t status)
{
	struct blk_queue *queue = request->queue;
	int all = request->in_len == 1 ||
		  (status == VIRTIO_BLK_S_OK && request->io.operation == DISK_READ);

	if (!queue->resetting && !queue->blk->stopping) {
		*(volatile uint8_t *)request->status = status;
		/* Bytes that were written from the start: where data is missing, the status is not among them. */
		queue_push(queue->queue, request->head, all ? request->in_len : 0);
		queue->pushed = 1;
	}
	queue->under_way--;
	request->next = queue->free;
	queue->free = request;
}

static uint8_t blk_status(int result)
{
	return result == 0	       ? VIRTIO_BLK_S_OK
	       : result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP
				       : VIRTIO_BLK_S_IOERR;
}

static void blk_done(struct disk_request *io, int result);

static void blk_submit(struct blk_request *request)
{
	struct blk *blk = request->queue->blk;
	int r;

	request->io.done = blk_done;
	request->io.ctx = request;
	r = disk_submit(blk->disk, &request->io);
	if (r < 0)
		blk_request_end(request, VIRTIO_BLK_S_IOERR);
}

/* The next range of a discard or write-zeroes request, which was checked. */
static void blk_submit_range(struct blk_request *request)
{
	const struct virtio_blk_discard_write_zeroes *range = &request->ranges[request->at_range++];

	request->io.offset = le64toh(range->sector) * BLK_SECTOR;
	request->io.len = (uint64_t)le32toh(range->num_sectors) * BLK_SECTOR;
	request->io.unmap = (le32toh(range->flags) & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) != 0;
	blk_submit(request);
}

static void blk_done(struct disk_request *io, int result)
{
	struct blk_request *request = io->ctx;
	struct blk_queue *queue = request->queue;

	if (result == 0 && !queue->resetting && !queue->blk->stopping) {
		if (request->at_range < request->n_ranges) {
			blk_submit_range(request);
			return;
		}
		if (request->flush_after) {
			request->flush_after = 0;
			io->operation = DISK_FLUSH;
			blk_submit(request);
			return;
		}
	}
	blk_request_end(request, blk_status(result));
}

static void blk_raise(struct blk *blk)
{
	for (unsigned int i = 0; i < blk->n_queues; i++) {
		struct blk_queue *queue = &blk->queues[i];

		if (!queue->pushed)
			continue;
		queue->pushed = 0;
		queue_raise(queue->queue);
	}
}

static unsigned int blk_under_way(const struct blk *blk)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < blk->n_queues; i++)
		sum += blk->queues[i].under_way;
	return sum;
}

/* After each run of completions. */
static void blk_completed(void *ctx)
{
	struct blk *blk = ctx;

	blk_raise(blk);
	for (unsigned int i = 0; i < blk->n_queues; i++) {
		struct blk_queue *queue = &blk->queues[i];

		if (!queue->resetting || queue->under_way > 0)
			continue;
		queue->resetting = 0;
		if (!blk->stopping)
			virtio_reset_queue_done(blk->virtio, i);
	}
	if (!blk->waiting || blk_under_way(blk) > 0)
		return;
	blk->waiting = 0;
	blk->stopping = 0;
	virtio_reset_done(blk->virtio);
}

/* The chain's segments with the request's data: all but the header, or all but the status. */
static uint64_t blk_set_data(struct blk *blk, struct blk_request *request, int in)
{
	const struct queue_chain *chain = &blk->chain;
	size_t n = in ? chain->n_in : chain->n_out;
	struct vector all = { chain->segments + (in ? chain->n_out : 0), n, 0,
			      in ? chain->in_len : chain->out_len };
	struct vector data = in ? vector_part(&all, 0, all.len - 1)
				: vector_part(&all, sizeof(struct virtio_blk_outhdr),
					      all.len - sizeof(struct virtio_blk_outhdr));
	uint64_t len;

	if (request->iov_room < n) {
		request->iov = mem_realloc(request->iov, n, sizeof(*request->iov));
		request->iov_room = n;
	}
	request->io.iov = request->iov;
	request->io.n_iov = (size_t)vector_list(&data, request->iov, n, &len);
	return len;
}

static void blk_move(struct blk *blk, struct blk_request *request, uint64_t sector, int in)
{
	uint64_t len = blk_set_data(blk, request, in);

	request->io.operation = in ? DISK_READ : DISK_WRITE;
	request->io.len = len;
	request->flush_after = !in && !(blk_has(blk, VIRTIO_BLK_F_FLUSH) && blk->writeback);
	if (len % BLK_SECTOR != 0 || (!in && blk->read_only) ||
	    __builtin_mul_overflow(sector, BLK_SECTOR, &request->io.offset))
		blk_request_end(request, VIRTIO_BLK_S_IOERR);
	else
		blk_submit(request);
}

/* 0, or the status that the range deserves. */
static uint8_t blk_check_range(const struct blk *blk, enum disk_operation operation,
			       const struct virtio_blk_discard_write_zeroes *range)
{
	uint64_t capacity = disk_size(blk->disk) / BLK_SECTOR, sector = le64toh(range->sector);
	uint32_t n = le32toh(range->num_sectors), flags = le32toh(range->flags);
	uint32_t known = operation == DISK_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;

	if (flags & ~known)
		return VIRTIO_BLK_S_UNSUPP;
	if (n > BLK_RANGE_SECTORS || sector > capacity || n > capacity - sector)
		return VIRTIO_BLK_S_IOERR;
	return 0;
}

static void blk_ranges(struct blk *blk, struct blk_request *request, enum disk_operation operation)
{
	uint64_t len = blk->chain.out_len - sizeof(struct virtio_blk_outhdr);
	size_t n = len / sizeof(request->ranges[0]);
	uint8_t status = 0;

	request->io.operation = operation;
	if (len % sizeof(request->ranges[0]) != 0 || n == 0 || n > BLK_RANGES)
		status = VIRTIO_BLK_S_IOERR;
	else
		queue_copy_out(&blk->chain, sizeof(struct virtio_blk_outhdr), request->ranges, len);
	for (size_t i = 0; status == 0 && i < n; i++)
		status = blk_check_range(blk, operation, &request->ranges[i]);
	if (status) {
		blk_request_end(request, status);
		return;
	}
	request->n_ranges = (uint8_t)n;
	request->flush_after = !(blk_has(blk, VIRTIO_BLK_F_FLUSH) && blk->writeback);
	blk_submit_range(request);
}

static void blk_identify(struct blk *blk, struct blk_request *request)
{
	size_t len = request->in_len - 1;

	request->io.operation = DISK_READ;
	if (len < sizeof(blk->serial)) {
		blk_request_end(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	queue_copy_in(&blk->chain, 0, blk->serial, sizeof(blk->serial));
	request->in_len = len == sizeof(blk->serial) ? request->in_len : sizeof(blk->serial);
	blk_request_end(request, VIRTIO_BLK_S_OK);
}

static void blk_start(struct blk *blk, struct blk_request *request,
		      const struct virtio_blk_outhdr *header)
{
	uint32_t type = le32toh(header->type);
	uint64_t sector = le64toh(header->sector);

	request->io.operation = DISK_FLUSH;
	switch (type) {
	case VIRTIO_BLK_T_IN:
		blk_move(blk, request, sector, 1);
		return;
	case VIRTIO_BLK_T_OUT:
		blk_move(blk, request, sector, 0);
		return;
	case VIRTIO_BLK_T_FLUSH:
		blk_submit(request);
		return;
	case VIRTIO_BLK_T_GET_ID:
		blk_identify(blk, request);
		return;
	case VIRTIO_BLK_T_DISCARD:
		if (blk_has(blk, VIRTIO_BLK_F_DISCARD)) {
			blk_ranges(blk, request, DISK_DISCARD);
			return;
		}
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		if (blk_has(blk, VIRTIO_BLK_F_WRITE_ZEROES)) {
			blk_ranges(blk, request, DISK_WRITE_ZEROES);
			return;
		}
		break;
	default:
		break;
	}
	blk_request_end(request, VIRTIO_BLK_S_UNSUPP);
}

/* The last byte that the chain has to write to. */
static uint8_t *blk_status_byte(const struct queue_chain *chain)
{
	size_t i = (size_t)chain->n_out + chain->n_in;

	while (chain->segments[i - 1].iov_len == 0)
		i--;
	return (uint8_t *)chain->segments[i - 1].iov_base + chain->segments[i - 1].iov_len - 1;
}

/* 0, or -EBADMSG for a chain that cannot even be answered. */
static int blk_handle(struct blk_queue *queue)
{
	struct blk *blk = queue->blk;
	const struct queue_chain *chain = &blk->chain;
	struct virtio_blk_outhdr header;
	struct blk_request *request;

	if (chain->in_len == 0 || chain->in_len > UINT32_MAX || chain->out_len < sizeof(header))
		return -EBADMSG;
	queue_copy_out(chain, 0, &header, sizeof(header));
	request = blk_request_new(queue);
	request->head = chain->head;
	request->in_len = (uint32_t)chain->in_len;
	request->status = blk_status_byte(chain);
	blk_start(blk, request, &header);
	return 0;
}

static void blk_run(struct blk_queue *queue)
{
	struct blk *blk = queue->blk;
	int r = 0, left = BLK_BATCH;

	do {
		queue_want_kicks(queue->queue, 0);
		while (left > 0 && (r = queue_pop(queue->queue, &blk->chain)) > 0) {
			left--;
			r = blk_handle(queue);
			if (r < 0)
				break;
		}
	} while (r >= 0 && left > 0 && queue_want_kicks(queue->queue, 1));
	if (r < 0)
		virtio_break(blk->virtio);
	else if (left == 0) /* more may be there, and kicks are off */
		loop_timer_set(blk->again, 0);
}

static void blk_kick(void *ctx, unsigned int index)
{
	struct blk *blk = ctx;

	if (blk->stopping || blk->queues[index].resetting)
		return;
	blk_run(&blk->queues[index]);
	disk_submit_flush(blk->disk);
	blk_raise(blk);
}

static void blk_on_again(void *ctx)
{
	struct blk *blk = ctx;

	for (unsigned int i = 0; i < blk->n_queues; i++)
		if (virtio_active(blk->virtio) && queue_enabled(blk->queues[i].queue))
			blk_kick(blk, i);
}

static void blk_config_read(void *ctx, uint32_t offset, void *data, size_t len)
{
	struct blk *blk = ctx;

	blk->config.wce = blk->writeback;
	memcpy(data, (const char *)&blk->config + offset, len);
}

static void blk_config_write(void *ctx, uint32_t offset, const void *data, size_t len)
{
	const uint32_t wce = offsetof(struct virtio_blk_config, wce);
	struct blk *blk = ctx;

	/* Also as a part of something wider. */
	if (!virtio_has(blk->virtio, VIRTIO_BLK_F_CONFIG_WCE) || offset > wce ||
	    len <= wce - offset)
		return;
	blk->writeback = ((const uint8_t *)data)[wce - offset] & 1;
}

static int blk_activate(void *ctx, uint64_t features)
{
	struct blk *blk = ctx;

	blk->features = features;
	/* 5.2.5.2: without the field, whoever knows flushes sends them. */
	if (!blk_has(blk, VIRTIO_BLK_F_CONFIG_WCE))
		blk->writeback = 1;
	return 0;
}

static int blk_reset(void *ctx)
{
	struct blk *blk = ctx;

	blk->stopping = 1;
	loop_timer_set(blk->again, -1);
	disk_cancel(blk->disk);
	blk->writeback = 1;
	for (unsigned int i = 0; i < blk->n_queues; i++) {
		blk->queues[i].pushed = 0;
		blk->queues[i].resetting = 0;
	}
	blk->waiting = blk_under_way(blk) > 0;
	blk->stopping = blk->waiting;
	return blk->waiting;
}

static int blk_reset_queue(void *ctx, unsigned int index)
{
	struct blk_queue *queue = &((struct blk *)ctx)->queues[index];

	queue->pushed = 0;
	queue->resetting = queue->under_way > 0;
	return queue->resetting;
}

static void blk_free(void *ctx)
{
	struct blk *blk = ctx;

	disk_free(blk->disk);
	loop_source_free(blk->again);
	for (unsigned int i = 0; i < blk->n_queues; i++) {
		struct blk_request *next, *request = blk->queues[i].free;

		for (; request; request = next) {
			next = request->next;
			free(request->iov);
			free(request);
		}
	}
	free(blk);
}

static const struct virtio_ops blk_ops = {
	.config_read = blk_config_read,
	.config_write = blk_config_write,
	.activate = blk_activate,
	.kick = blk_kick,
	.reset = blk_reset,
	.reset_queue = blk_reset_queue,
	.free = blk_free,
};

static uint64_t blk_offer(const struct blk *blk)
{
	uint64_t features = BLK_BIT(VIRTIO_BLK_F_SEG_MAX) | BLK_BIT(VIRTIO_BLK_F_BLK_SIZE) |
			    BLK_BIT(VIRTIO_BLK_F_TOPOLOGY) | BLK_BIT(VIRTIO_BLK_F_FLUSH);

	if (blk->n_queues > 1)
		features |= BLK_BIT(VIRTIO_BLK_F_MQ);
	if (blk->read_only)
		return features | BLK_BIT(VIRTIO_BLK_F_RO);
	return features | BLK_BIT(VIRTIO_BLK_F_CONFIG_WCE) | BLK_BIT(VIRTIO_BLK_F_DISCARD) |
	       BLK_BIT(VIRTIO_BLK_F_WRITE_ZEROES);
}

static void blk_configure(struct blk *blk, uint16_t queue_size)
{
	uint32_t block = disk_block(blk->disk), physical = disk_physical(blk->disk), blocks;
	uint8_t exponent = 0;

	while (exponent < 16 && (uint64_t)block << (exponent + 1) <= physical)
		exponent++;
	blocks = UINT32_C(1) << exponent;
	blk->config = (struct virtio_blk_config){
		.capacity = htole64(disk_size(blk->disk) / BLK_SECTOR),
		/* Header and status take a descriptor each. */
		.seg_max = htole32(queue_size - 2U),
		.blk_size = htole32(block),
		.physical_block_exp = exponent,
		.min_io_size = htole16((uint16_t)(blocks < UINT16_MAX ? blocks : UINT16_MAX)),
		.num_queues = htole16((uint16_t)blk->n_queues),
		.max_discard_sectors = htole32(BLK_RANGE_SECTORS),
		.max_discard_seg = htole32(BLK_RANGES),
		.discard_sector_alignment = htole32(physical / BLK_SECTOR),
		.max_write_zeroes_sectors = htole32(BLK_RANGE_SECTORS),
		.max_write_zeroes_seg = htole32(BLK_RANGES),
		.write_zeroes_may_unmap = 1,
	};
}

static struct virtio *blk_make(const struct virtio_host *host, struct blk *blk, uint16_t queue_size)
{
	struct virtio_kind kind = {
		.name = "blk",
		.type = VIRTIO_ID_BLOCK,
		.features = blk_offer(blk),
		.n_queues = blk->n_queues,
		.queue_size = queue_size,
		.config_size = sizeof(blk->config),
		.ops = &blk_ops,
	};

	blk_configure(blk, queue_size);
	blk->virtio = virtio_new(host, &kind, blk);
	for (unsigned int i = 0; i < blk->n_queues; i++)
		blk->queues[i] = (struct blk_queue){ .blk = blk,
						     .index = i,
						     .queue = virtio_queue(blk->virtio, i) };
	disk_attach(blk->disk, blk_completed, blk);
	return blk->virtio;
}

int blk_new(const struct virtio_host *host, struct disk *disk, const struct blk_options *options,
	    struct virtio **ret, struct err *err)
{
	unsigned int n = options->n_queues ? options->n_queues : 1;
	uint16_t size = options->queue_size ? options->queue_size : QUEUE_SIZE_MAX;
	struct blk *blk;

	if (n > VIRTIO_QUEUES_MAX || size < 4 || size > QUEUE_SIZE_MAX || (size & (size - 1))) {
		disk_free(disk);
		return err_set(err, -EINVAL, "a disk cannot have %u queues of %u", n, size);
	}
	blk = mem_zalloc(sizeof(*blk) + n * sizeof(blk->queues[0]));
	blk->disk = disk;
	blk->n_queues = n;
	blk->writeback = 1;
	if (options->serial)
		memcpy(blk->serial, options->serial, strnlen(options->serial, BLK_SERIAL_MAX));
	blk->again = loop_add_timer(host->loop, blk_on_again, blk);
	if (!blk->again) {
		blk->n_queues = 0;
		blk_free(blk);
		return err_errno(err, -errno, "cannot make a disk's timer");
	}
	blk->read_only = options->read_only || disk_read_only(disk);
	*ret = blk_make(host, blk, size);
	return 0;
}

void blk_limit(struct virtio *virtio, const struct disk_rates *rates)
{
	const struct blk *blk = virtio_ctx(virtio);

	disk_limit(blk->disk, rates);
}

int blk_grow(struct virtio *virtio, uint64_t size, struct err *err)
{
	struct blk *blk = virtio_ctx(virtio);

	if (disk_grow(blk->disk, size, err) < 0)
		return err->code;
	blk->config.capacity = htole64(disk_size(blk->disk) / BLK_SECTOR);
	virtio_config_changed(virtio);
	return 0;
}
