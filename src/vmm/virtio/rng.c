// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/rng.h"
#include "base/mem.h"

#include <linux/virtio_ids.h>
#include <sys/random.h>

/* Few, since a turn may have to fill all of them. */
#define RNG_QUEUE_SIZE 8

struct rng {
	struct virtio *virtio;
	struct queue_chain chain; /* scratch */
};

/* Straight into the guest's memory; bytes from the start of its segments that are random now. */
static size_t rng_fill(const struct queue_chain *chain)
{
	size_t done = 0;

	for (unsigned int i = 0; i < chain->n_in && done < RNG_REQUEST_MAX; i++) {
		const struct iovec *segment = &chain->segments[chain->n_out + i];
		size_t len = RNG_REQUEST_MAX - done;
		ssize_t n;

		if (len > segment->iov_len)
			len = segment->iov_len;
		n = getrandom(segment->iov_base, len, GRND_NONBLOCK);
		if (n > 0)
			done += (size_t)n;
		if (n < (ssize_t)len)
			break;
	}
	return done;
}

static void rng_kick(void *ctx, unsigned int index)
{
	struct rng *rng = ctx;
	struct queue *queue = virtio_queue(rng->virtio, index);

	if (!virtio_active(rng->virtio))
		return;
	for (unsigned int i = 0; i < RNG_QUEUE_SIZE; i++) {
		int r = queue_pop(queue, &rng->chain);

		if (r < 0)
			virtio_break(rng->virtio);
		if (r <= 0)
			break;
		queue_push(queue, rng->chain.head, (uint32_t)rng_fill(&rng->chain));
	}
	queue_raise(queue);
}

static int rng_reset(void *ctx _unused_)
{
	return 0;
}

static void rng_free(void *ctx)
{
	free(ctx);
}

static const struct virtio_ops rng_ops = {
	.kick = rng_kick,
	.reset = rng_reset,
	.free = rng_free,
};

struct virtio *rng_new(const struct virtio_host *host)
{
	struct virtio_kind kind = { .name = "rng",
				    .type = VIRTIO_ID_RNG,
				    .n_queues = 1,
				    .queue_size = RNG_QUEUE_SIZE,
				    .ops = &rng_ops };
	struct rng *rng = mem_zalloc(sizeof(*rng));

	rng->virtio = virtio_new(host, &kind, rng);
	return rng->virtio;
}
