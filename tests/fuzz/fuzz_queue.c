// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/queue.h"

#include <stdlib.h>
#include <string.h>

/*
 * The input: where the rings are and how large, then operations up to a byte of all ones, then what the guest
 * has in memory from 0 on. A guest that writes while the device works is an operation too.
 */
#define FUZZ_RAM ((uint64_t)2 << 20)

struct fuzz {
	const uint8_t *data;
	size_t size;
	struct ram *ram;
	struct queue *queue;
	struct queue_chain chain;
	uint8_t out[QUEUE_SIZE_MAX]; /* heads that the device has */
	int may_unpop;
};

static uint8_t fuzz_byte(struct fuzz *fuzz)
{
	if (!fuzz->size)
		return 0;
	fuzz->size--;
	return *fuzz->data++;
}

static void fuzz_raised(void *ctx)
{
	struct fuzz *fuzz = ctx;

	if (!queue_enabled(fuzz->queue) || queue_broken(fuzz->queue))
		abort();
}

/* Rings are usually where the seeds have them, in the first page. */
static void fuzz_enable(struct fuzz *fuzz, uint8_t how)
{
	struct queue_setup setup = { .size = (uint16_t)(1U << (how & 15)),
				     .descriptors = (uint64_t)fuzz_byte(fuzz) << 4,
				     .driver = 0x400 + (uint64_t)fuzz_byte(fuzz),
				     .device = 0x800 + (uint64_t)fuzz_byte(fuzz) };

	if (how & 0x40)
		setup.driver += FUZZ_RAM - 0x500;
	if (how & 0x20)
		setup.device += FUZZ_RAM - 0x900;
	if (queue_enable(fuzz->queue, &setup, how & 0x80) < 0)
		return;
	if (setup.size > QUEUE_SIZE_MAX)
		abort();
	memset(fuzz->out, 0, sizeof(fuzz->out));
	fuzz->may_unpop = 0;
}

static void fuzz_check_chain(struct fuzz *fuzz)
{
	const struct queue_chain *chain = &fuzz->chain;
	const uint8_t *start = ram_at(fuzz->ram, 0, FUZZ_RAM);
	unsigned int n = (unsigned int)chain->n_out + chain->n_in;
	uint64_t sums[2] = { 0 };

	if (!n || n > QUEUE_SIZE_MAX || chain->head >= QUEUE_SIZE_MAX || fuzz->out[chain->head])
		abort();
	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *at = chain->segments[i].iov_base;

		if (at < start || !chain->segments[i].iov_len ||
		    chain->segments[i].iov_len > FUZZ_RAM - (size_t)(at - start))
			abort();
		sums[i >= chain->n_out] += chain->segments[i].iov_len;
	}
	if (sums[0] != chain->out_len || sums[1] != chain->in_len)
		abort();
}

static void fuzz_pop(struct fuzz *fuzz)
{
	int broken = queue_broken(fuzz->queue);
	int r = queue_pop(fuzz->queue, &fuzz->chain);

	if ((broken || r < 0) && (r != -EBADMSG || !queue_broken(fuzz->queue)))
		abort();
	if (r == 1) {
		fuzz_check_chain(fuzz);
		fuzz->out[fuzz->chain.head] = 1;
		fuzz->may_unpop = 1;
	}
}

static void fuzz_copy(struct fuzz *fuzz, size_t offset)
{
	uint8_t bytes[64] = { 0 };
	size_t n;

	if (!fuzz->chain.n_out && !fuzz->chain.n_in)
		return;
	n = queue_copy_out(&fuzz->chain, offset, bytes, sizeof(bytes));
	if (n > sizeof(bytes) || (offset < fuzz->chain.out_len) != (n > 0))
		abort();
	n = queue_copy_in(&fuzz->chain, offset, bytes, sizeof(bytes));
	if (n > sizeof(bytes) || (offset < fuzz->chain.in_len) != (n > 0))
		abort();
}

static void fuzz_push(struct fuzz *fuzz, uint8_t head)
{
	queue_push(fuzz->queue, head, head);
	fuzz->out[head] = 0;
	if (head == fuzz->chain.head)
		fuzz->may_unpop = 0;
}

static void fuzz_unpop(struct fuzz *fuzz)
{
	queue_unpop(fuzz->queue);
	if (fuzz->may_unpop)
		fuzz->out[fuzz->chain.head] = 0;
	fuzz->may_unpop = 0;
}

static void fuzz_guest(struct fuzz *fuzz, uint8_t value)
{
	uint64_t at = (uint64_t)fuzz_byte(fuzz) << 8;
	uint8_t *to = ram_at(fuzz->ram, at + fuzz_byte(fuzz), 1);

	*to = value;
}

static void fuzz_step(struct fuzz *fuzz, uint8_t what, uint8_t value)
{
	switch (what % 10) {
	case 0:
		fuzz_enable(fuzz, value);
		break;
	case 1:
		fuzz_pop(fuzz);
		break;
	case 2:
		fuzz_push(fuzz, value);
		break;
	case 3:
		fuzz_push(fuzz, (uint8_t)fuzz->chain.head);
		break;
	case 4:
		fuzz_unpop(fuzz);
		break;
	case 5:
		queue_raise(fuzz->queue);
		break;
	case 6:
		(void)queue_want_kicks(fuzz->queue, value & 1);
		break;
	case 7:
		(void)queue_has(fuzz->queue);
		break;
	case 8:
		fuzz_copy(fuzz, value);
		break;
	default:
		fuzz_guest(fuzz, value);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ram *ram;
	struct ram_options options = { .size = FUZZ_RAM };
	struct err err = ERR_INIT;
	const uint8_t *end = memchr(data, 0xff, size);
	struct fuzz fuzz = { .data = data, .size = end ? (size_t)(end - data) : size };

	if (!ram && ram_new(&options, &ram, &err) < 0)
		abort();
	fuzz.ram = ram;
	if (ram_discard(ram, 0, FUZZ_RAM) < 0)
		abort();
	if (end && size > fuzz.size + 1 && size <= FUZZ_RAM)
		(void)ram_write(ram, 0, end + 1, size - fuzz.size - 1);
	fuzz.queue = queue_new(ram, QUEUE_SIZE_MAX, fuzz_raised, &fuzz);
	fuzz_enable(&fuzz, fuzz_byte(&fuzz));
	while (fuzz.size) {
		uint8_t what = fuzz_byte(&fuzz);

		fuzz_step(&fuzz, what, fuzz_byte(&fuzz));
	}
	queue_free(fuzz.queue);
	return 0;
}
