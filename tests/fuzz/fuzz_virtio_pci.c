// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/transport_pci.h"
#include "vmm/layout.h"
#include "../unit/vmm/bus/fake_hv.h"

#include <string.h>

/*
 * The input: operations up to a byte of all ones, then what the guest has in memory from 0 on. The device
 * echoes what comes by its queues. The fake hypervisor aborts where it is used against its rules.
 */
#define FUZZ_RAM    ((uint64_t)2 << 20)
#define FUZZ_CONFIG (LAYOUT_ECAM + 0x1000) /* the first function behind the bridge */
#define FUZZ_QUEUES 2

struct fuzz {
	const uint8_t *data;
	size_t size;
	struct fake_hv fake;
	struct bus *bus;
	struct ram *ram;
	struct loop *loop;
	struct pci *pci;
	struct msi *msi;
	struct virtio *virtio;
	struct transport_pci *transport;
	struct queue_chain chain;
	int active, slow; /* between activate and reset; resets take their time */
	uint8_t config[12];
};

static uint8_t fuzz_byte(struct fuzz *fuzz)
{
	if (!fuzz->size)
		return 0;
	fuzz->size--;
	return *fuzz->data++;
}

static uint64_t fuzz_value(struct fuzz *fuzz, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++)
		value |= (uint64_t)fuzz_byte(fuzz) << (8 * i);
	return value;
}

static int kind_activate(void *ctx, uint64_t features _unused_)
{
	struct fuzz *fuzz = ctx;

	if (fuzz->active)
		abort();
	fuzz->active = 1;
	return fuzz->config[0] == 0x55 ? -EIO : 0;
}

static void kind_kick(void *ctx, unsigned int queue)
{
	struct fuzz *fuzz = ctx;
	struct queue *q = virtio_queue(fuzz->virtio, queue);
	uint8_t bytes[64];
	int r;

	if (!fuzz->active || !virtio_active(fuzz->virtio) || !queue_enabled(q))
		abort();
	while ((r = queue_pop(q, &fuzz->chain)) == 1) {
		size_t n = queue_copy_out(&fuzz->chain, 0, bytes, sizeof(bytes));

		n = queue_copy_in(&fuzz->chain, 0, bytes, n);
		queue_push(q, fuzz->chain.head, (uint32_t)n);
	}
	queue_raise(q);
	if (r < 0)
		virtio_break(fuzz->virtio);
}

static int kind_reset(void *ctx)
{
	struct fuzz *fuzz = ctx;

	if (fake_hv_ioeventfds(&fuzz->fake))
		abort();
	fuzz->active = 0;
	return fuzz->slow;
}

static int kind_reset_queue(void *ctx, unsigned int queue)
{
	struct fuzz *fuzz = ctx;

	if (!queue_enabled(virtio_queue(fuzz->virtio, queue)))
		abort();
	return fuzz->slow;
}

static void kind_config_read(void *ctx, uint32_t offset, void *data, size_t len)
{
	struct fuzz *fuzz = ctx;

	if (offset + len > sizeof(fuzz->config))
		abort();
	memcpy(data, fuzz->config + offset, len);
}

static void kind_config_write(void *ctx, uint32_t offset, const void *data, size_t len)
{
	struct fuzz *fuzz = ctx;

	if (offset + len > sizeof(fuzz->config))
		abort();
	memcpy(fuzz->config + offset, data, len);
}

static const struct virtio_ops kind_ops = {
	.config_read = kind_config_read,
	.config_write = kind_config_write,
	.activate = kind_activate,
	.kick = kind_kick,
	.reset = kind_reset,
	.reset_queue = kind_reset_queue,
};

/* An access of 1, 2, 4 or 8 bytes at any alignment. */
static void fuzz_access(struct fuzz *fuzz, uint64_t base, int is_write)
{
	uint64_t address = base + fuzz_value(fuzz, 2) % 0x8010;
	size_t len = (size_t)1 << (fuzz_byte(fuzz) & 3);
	uint8_t data[8];

	if (is_write) {
		bus_set_value(data, len, fuzz_value(fuzz, len));
		bus_write(fuzz->bus, address, data, len);
	} else {
		bus_read(fuzz->bus, address, data, len);
	}
}

static uint64_t fuzz_bar(const struct fuzz *fuzz)
{
	uint8_t data[4];

	bus_read(fuzz->bus, FUZZ_CONFIG + 0x10, data, 4);
	return bus_value(data, 4);
}

static void fuzz_put(struct fuzz *fuzz, uint64_t offset, uint64_t value, size_t len)
{
	uint8_t data[8];

	bus_set_value(data, len, value);
	bus_write(fuzz->bus, fuzz_bar(fuzz) + offset, data, len);
}

/* What a driver does, with features and places from the input. */
static void fuzz_start(struct fuzz *fuzz)
{
	uint8_t how = fuzz_byte(fuzz);

	bus_write(fuzz->bus, FUZZ_CONFIG + 4, "\x06\0", 2);
	fuzz_put(fuzz, 0x14, 0, 1);
	fuzz_put(fuzz, 0x14, 3, 1);
	fuzz_put(fuzz, 0x08, 0, 4);
	fuzz_put(fuzz, 0x0c, (how & 1) ? 3U << 28 : 0, 4);
	fuzz_put(fuzz, 0x08, 1, 4);
	fuzz_put(fuzz, 0x0c, (how & 2) ? 0x101 : 1, 4);
	fuzz_put(fuzz, 0x14, 0xb, 1);
	for (unsigned int i = 0; i < FUZZ_QUEUES; i++) {
		uint64_t base = (uint64_t)0x1000 * i;

		fuzz_put(fuzz, 0x16, i, 2);
		fuzz_put(fuzz, 0x18, 1U << (how >> 5), 2);
		fuzz_put(fuzz, 0x1a, i + 1, 2);
		fuzz_put(fuzz, 0x20, base, 8);
		fuzz_put(fuzz, 0x28, base + 0x400, 8);
		fuzz_put(fuzz, 0x30, base + 0x800, 8);
		fuzz_put(fuzz, 0x1c, 1, 2);
	}
	fuzz_put(fuzz, 0x14, 0xf, 1);
}

static void fuzz_plug(struct fuzz *fuzz)
{
	const struct hv hv = { .ops = &fake_hv_ops, .ctx = &fuzz->fake };
	const struct virtio_kind kind = { .name = "fuzz",
					  .type = 2,
					  .n_queues = FUZZ_QUEUES,
					  .queue_size = 128,
					  .config_size = sizeof(fuzz->config),
					  .ops = &kind_ops };
	const struct virtio_host host = { .loop = fuzz->loop, .ram = fuzz->ram };
	struct err err = ERR_INIT;

	fuzz->active = 0;
	fuzz->virtio = virtio_new(&host, &kind, fuzz);
	if (transport_pci_new(fuzz->pci, fuzz->msi, &hv, fuzz->loop, fuzz->virtio, &fuzz->transport,
			      &err) < 0)
		abort();
}

/* Whatever state it is in. */
static void fuzz_unplug(struct fuzz *fuzz)
{
	fuzz->transport = transport_pci_free(fuzz->transport);
	if (fake_hv_ioeventfds(&fuzz->fake) || fake_hv_irqfds(&fuzz->fake))
		abort();
}

/* It goes, the guest touches what is no longer there, and another one comes. */
static void fuzz_replug(struct fuzz *fuzz)
{
	uint64_t bar = fuzz_bar(fuzz);

	fuzz_unplug(fuzz);
	fuzz_access(fuzz, FUZZ_CONFIG, 1);
	fuzz_access(fuzz, bar, 1);
	fuzz_access(fuzz, bar, 0);
	fuzz_plug(fuzz);
}

static void fuzz_step(struct fuzz *fuzz)
{
	uint8_t what = fuzz_byte(fuzz);

	switch (what % 14) {
	case 0:
	case 1:
		fuzz_access(fuzz, FUZZ_CONFIG, what % 14);
		break;
	case 2:
	case 3:
		fuzz_access(fuzz, fuzz_bar(fuzz), what % 14 == 3);
		break;
	case 4:
		fuzz_start(fuzz);
		break;
	case 5:
		fuzz_put(fuzz, 0x3000 + 4 * (fuzz_byte(fuzz) & 3), 0, 2);
		break;
	case 6:
		virtio_config_changed(fuzz->virtio);
		break;
	case 7:
		virtio_reset_done(fuzz->virtio);
		break;
	case 8:
		virtio_reset_queue_done(fuzz->virtio, fuzz_byte(fuzz) % FUZZ_QUEUES);
		break;
	case 9:
		virtio_offload(fuzz->virtio, fuzz_byte(fuzz) % FUZZ_QUEUES, fuzz_byte(fuzz) & 1);
		break;
	case 10:
		*(uint8_t *)ram_at(fuzz->ram, fuzz_value(fuzz, 2), 1) = fuzz_byte(fuzz);
		break;
	case 11:
		fuzz->slow = fuzz_byte(fuzz) & 1;
		break;
	case 12:
		fuzz_replug(fuzz);
		break;
	default:
		fuzz->fake.fail = -EINVAL;
		break;
	}
}

static void fuzz_machine(struct fuzz *fuzz)
{
	const struct hv hv = { .ops = &fake_hv_ops, .ctx = &fuzz->fake };
	struct err err = ERR_INIT;

	fuzz->bus = bus_new();
	fuzz->msi = msi_new(&hv);
	if (pci_new(fuzz->bus, 31, &fuzz->pci, &err) < 0)
		abort();
	fuzz_plug(fuzz);
	while (fuzz->size)
		fuzz_step(fuzz);
	fuzz_unplug(fuzz);
	pci_free(fuzz->pci);
	msi_free(fuzz->msi);
	bus_free(fuzz->bus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ram *ram;
	struct ram_options options = { .size = FUZZ_RAM };
	struct loop
		*loop; /* a new one each time: it frees its sources late, which looks like a leak */
	struct err err = ERR_INIT;
	const uint8_t *end = memchr(data, 0xff, size);
	struct fuzz fuzz = { .data = data, .size = end ? (size_t)(end - data) : size };

	if ((!ram && ram_new(&options, &ram, &err) < 0) || loop_new(&loop, &err) < 0)
		abort();
	fuzz.ram = ram;
	if (ram_discard(ram, 0, FUZZ_RAM) < 0)
		abort();
	if (end && size > fuzz.size + 1 && size <= FUZZ_RAM)
		(void)ram_write(ram, 0, end + 1, size - fuzz.size - 1);
	fuzz.loop = loop;
	fuzz_machine(&fuzz);
	loop_free(loop);
	return 0;
}
