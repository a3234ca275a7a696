// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Queues: inflate, deflate, then statistics and reporting. Where the driver leaves out an optional one, some
 * number the rest without a gap, others keep the numbers of virtio 1.2 section 5.5.2 (where free page
 * hinting, which we do not offer, has one too): so from 2 on every queue that is not for statistics is one
 * for reports.
 *
 * Statistics: the driver hands in one buffer, full; it stays with us until we want fresh ones.
 *
 * Page numbers are the guest's word: those that are not memory are passed over. A page given twice, or in
 * use, is the guest's own loss.
 */
#include "vmm/virtio/balloon.h"
#include "base/mem.h"

#include <linux/virtio_balloon.h>
#include <string.h>

#define BALLOON_INFLATE	   0
#define BALLOON_DEFLATE	   1
#define BALLOON_STATISTICS 2
#define BALLOON_QUEUES	   5
#define BALLOON_QUEUE_SIZE 128
#define BALLOON_PAGE	   ((uint64_t)1 << VIRTIO_BALLOON_PFN_SHIFT)
/* Page numbers that are sorted at a time; Linux sends 256. */
#define BALLOON_BATCH 1024
/* Page numbers of one turn; a chain's rest beyond is not looked at. A driver's chain has 256. */
#define BALLOON_CHAIN_MAX 16384
/* Chains of one turn of the inflating and deflating queues. */
#define BALLOON_TURN 32

struct balloon {
	struct virtio *virtio;
	struct ram *ram;
	uint32_t target, actual;
	uint64_t returned;
	struct balloon_stats stats;
	int holding;   /* the statistics' buffer */
	uint16_t held; /* its head */
	int asked;     /* as soon as there is a buffer */
	struct loop_source *again;
	uint32_t pages[BALLOON_BATCH];
	struct queue_chain chain; /* scratch */
};

/* Lets the page at root sink to its place below, in a heap of n whose greatest is first. */
static void balloon_sift(uint32_t *pages, size_t root, size_t n)
{
	uint32_t page = pages[root];

	for (size_t child; (child = 2 * root + 1) < n; root = child) {
		if (child + 1 < n && pages[child] < pages[child + 1])
			child++;
		if (pages[child] <= page)
			break;
		pages[root] = pages[child];
	}
	pages[root] = page;
}

/* In place: the C library's qsort() allocates, and asks the kernel for the host's memory, which the jail does not
 * allow. A guest cannot make it slow by its order. */
static void balloon_sort(uint32_t *pages, size_t n)
{
	for (size_t root = n / 2; root-- > 0;)
		balloon_sift(pages, root, n);
	while (n > 1) {
		uint32_t greatest = pages[0];

		n--;
		pages[0] = pages[n];
		pages[n] = greatest;
		balloon_sift(pages, 0, n);
	}
}

static void balloon_discard(struct balloon *balloon, uint64_t gpa, uint64_t len)
{
	if (ram_discard(balloon->ram, gpa, len) == 0)
		balloon->returned += len;
}

/* One call to the host for each run of neighbours. */
static void balloon_discard_pages(struct balloon *balloon, size_t n)
{
	uint64_t start = 0, len = 0;

	balloon_sort(balloon->pages, n);
	for (size_t i = 0; i < n; i++) {
		uint64_t gpa = (uint64_t)balloon->pages[i] << VIRTIO_BALLOON_PFN_SHIFT;

		if (!ram_at(balloon->ram, gpa, BALLOON_PAGE))
			continue;
		if (len && gpa >= start && gpa < start + len)
			continue; /* named twice */
		if (len && gpa == start + len) {
			len += BALLOON_PAGE;
			continue;
		}
		if (len)
			balloon_discard(balloon, start, len);
		start = gpa;
		len = BALLOON_PAGE;
	}
	if (len)
		balloon_discard(balloon, start, len);
}

static void balloon_inflate(struct balloon *balloon)
{
	const struct queue_chain *chain = &balloon->chain;
	size_t offset = 0;

	while (offset < BALLOON_CHAIN_MAX * sizeof(uint32_t)) {
		size_t got = queue_copy_out(chain, offset, balloon->pages, sizeof(balloon->pages));

		if (got < sizeof(uint32_t))
			break;
		balloon_discard_pages(balloon, got / sizeof(uint32_t));
		offset += got;
	}
}

/* The chain's segments are free pages: where they are, as the host knows it, in the guest's terms. */
static void balloon_report(struct balloon *balloon)
{
	const struct queue_chain *chain = &balloon->chain;
	const struct ram_region *regions;
	size_t n = ram_regions(balloon->ram, &regions);

	for (unsigned int i = 0; i < chain->n_in; i++) {
		const struct iovec *segment = &chain->segments[chain->n_out + i];

		for (size_t r = 0; r < n; r++) {
			uint64_t offset = (uintptr_t)segment->iov_base - (uintptr_t)regions[r].host;

			if (offset < regions[r].size)
				balloon_discard(balloon, regions[r].gpa + offset, segment->iov_len);
		}
	}
}

static void balloon_learn(struct balloon *balloon)
{
	struct balloon_stats *stats = &balloon->stats;
	struct virtio_balloon_stat stat;

	stats->known = 0;
	for (unsigned int i = 0; i < BALLOON_STATS; i++) {
		if (queue_copy_out(&balloon->chain, i * sizeof(stat), &stat, sizeof(stat)) <
		    sizeof(stat))
			break;
		if (stat.tag >= BALLOON_STATS)
			continue;
		stats->known |= 1U << stat.tag;
		stats->values[stat.tag] = stat.val;
	}
	stats->answers++;
}

/* Returns the buffer, which is the question. */
static void balloon_hand_back(struct balloon *balloon)
{
	struct queue *queue = virtio_queue(balloon->virtio, BALLOON_STATISTICS);

	if (!balloon->asked || !balloon->holding || !virtio_active(balloon->virtio))
		return;
	balloon->asked = balloon->holding = 0;
	queue_push(queue, balloon->held, 0);
	queue_raise(queue);
}

static int balloon_is_statistics(const struct balloon *balloon, unsigned int queue)
{
	return queue == BALLOON_STATISTICS &&
	       virtio_has(balloon->virtio, VIRTIO_BALLOON_F_STATS_VQ);
}

/* Keeps the chain or gives it back. */
static void balloon_take(struct balloon *balloon, struct queue *queue, unsigned int index)
{
	if (index == BALLOON_INFLATE)
		balloon_inflate(balloon);
	if (balloon_is_statistics(balloon, index)) {
		/* a driver that has more than one buffer gets the older one back at once */
		if (balloon->holding)
			queue_push(queue, balloon->held, 0);
		balloon_learn(balloon);
		balloon->holding = 1;
		balloon->held = balloon->chain.head;
		return;
	}
	if (index >= BALLOON_STATISTICS)
		balloon_report(balloon);
	queue_push(queue, balloon->chain.head, 0);
}

static void balloon_kick(void *ctx, unsigned int index)
{
	struct balloon *balloon = ctx;
	struct queue *queue = virtio_queue(balloon->virtio, index);

	if (!virtio_active(balloon->virtio))
		return;
	for (unsigned int i = 0; i < BALLOON_TURN; i++) {
		int r = queue_pop(queue, &balloon->chain);

		if (r < 0)
			virtio_break(balloon->virtio);
		if (r <= 0)
			break;
		balloon_take(balloon, queue, index);
	}
	queue_raise(queue);
	if (queue_has(queue))
		loop_timer_set(balloon->again, 0);
	balloon_hand_back(balloon);
}

/* What the last turn left over. */
static void balloon_go_on(void *ctx)
{
	struct balloon *balloon = ctx;

	for (unsigned int i = 0; i < BALLOON_QUEUES; i++) {
		if (queue_has(virtio_queue(balloon->virtio, i)))
			balloon_kick(balloon, i);
	}
}

static void balloon_config_read(void *ctx, uint32_t offset, void *data, size_t len)
{
	const struct balloon *balloon = ctx;
	struct virtio_balloon_config config = { .num_pages = balloon->target,
						.actual = balloon->actual };

	memcpy(data, (uint8_t *)&config + offset, len);
}

static void balloon_config_write(void *ctx, uint32_t offset, const void *data, size_t len)
{
	struct balloon *balloon = ctx;

	if (offset == offsetof(struct virtio_balloon_config, actual) &&
	    len == sizeof(balloon->actual))
		memcpy(&balloon->actual, data, len);
}

static int balloon_reset(void *ctx)
{
	struct balloon *balloon = ctx;

	loop_timer_set(balloon->again, -1);
	balloon->holding = balloon->asked = 0;
	balloon->actual = 0;
	balloon->stats = (struct balloon_stats){ 0 };
	return 0;
}

static void balloon_free(void *ctx)
{
	struct balloon *balloon = ctx;

	loop_source_free(balloon->again);
	free(balloon);
}

static const struct virtio_ops balloon_ops = {
	.config_read = balloon_config_read,
	.config_write = balloon_config_write,
	.kick = balloon_kick,
	.reset = balloon_reset,
	.free = balloon_free,
};

int balloon_new(const struct virtio_host *host, struct virtio **ret, struct balloon **ret_balloon,
		struct err *err)
{
	struct virtio_kind kind = { .name = "balloon",
				    .type = VIRTIO_ID_BALLOON,
				    .features = 1ULL << VIRTIO_BALLOON_F_STATS_VQ |
						1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
						1ULL << VIRTIO_BALLOON_F_REPORTING,
				    .n_queues = BALLOON_QUEUES,
				    .queue_size = BALLOON_QUEUE_SIZE,
				    /* up to the fields of features that are not offered */
				    .config_size = offsetof(struct virtio_balloon_config,
							    free_page_hint_cmd_id),
				    .ops = &balloon_ops };
	struct balloon *balloon = mem_zalloc(sizeof(*balloon));

	balloon->ram = host->ram;
	balloon->again = loop_add_timer(host->loop, balloon_go_on, balloon);
	if (!balloon->again) {
		free(balloon);
		return err_errno(err, -errno, "cannot make the memory balloon's timer");
	}
	balloon->virtio = virtio_new(host, &kind, balloon);
	*ret = balloon->virtio;
	*ret_balloon = balloon;
	return 0;
}

void balloon_set_target(struct balloon *balloon, uint32_t pages)
{
	if (pages == balloon->target)
		return;
	balloon->target = pages;
	virtio_config_changed(balloon->virtio);
}

uint32_t balloon_target(const struct balloon *balloon)
{
	return balloon->target;
}

uint32_t balloon_pages(const struct balloon *balloon)
{
	return balloon->actual;
}

void balloon_ask(struct balloon *balloon)
{
	balloon->asked = 1;
	balloon_hand_back(balloon);
}

const struct balloon_stats *balloon_last(const struct balloon *balloon)
{
	return &balloon->stats;
}

uint64_t balloon_returned(const struct balloon *balloon)
{
	return balloon->returned;
}
