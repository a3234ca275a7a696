// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: a device's configuration space is its bytes, a mask of those bits that the guest may write,
 * and capabilities that answer for their bodies themselves. After each write that may move a BAR,
 * pci_sync() compares where all BARs should be with where they are.
 *
 * A guest reads configuration space some hundred times for each device as it starts, so the bytes lie on pages
 * that it can read by itself (pci_pages()): functions follow each other without gaps, eight to a slot, and
 * what a capability would answer is kept in them.
 *
 * Invariants:
 *  1. A BAR is on the bus of memory only with decoding on, in the window and where no other is; moved() was
 *     called with each change of that.
 *  2. The pages hold at any time what a read would give. A capability's answers change only with the guest's
 *     writes to it, and are asked for once after each.
 *  3. A BAR that could not be where the guest wants it gets there as soon as that becomes possible.
 */
#include "vmm/bus/pci.h"
#include "base/mem.h"
#include "vmm/layout.h"

#include <string.h>
#include <sys/mman.h>

/* Offsets in configuration space: PCI Local Bus Specification 3.0, 6.1. */
#define PCI_VENDOR	     0x00
#define PCI_DEVICE	     0x02
#define PCI_COMMAND	     0x04
#define PCI_STATUS	     0x06
#define PCI_REVISION	     0x08
#define PCI_CLASS	     0x09
#define PCI_CACHE_LINE	     0x0c
#define PCI_BAR0	     0x10
#define PCI_HEADER_TYPE	     0x0e
#define PCI_SUBSYSTEM_VENDOR 0x2c
#define PCI_SUBSYSTEM	     0x2e
#define PCI_CAPABILITIES     0x34
#define PCI_INTERRUPT_LINE   0x3c
#define PCI_HEADER_SIZE	     0x40

#define PCI_COMMAND_MEMORY	 0x0002U
#define PCI_COMMAND_MASTER	 0x0004U
#define PCI_COMMAND_INTX_DISABLE 0x0400U
#define PCI_STATUS_CAPABILITIES	 0x0010U
#define PCI_MULTIFUNCTION	 0x80U

/* What has ops and lies in here is a capability; the rest of a function's 4 KiB in ECAM reads as 0. */
#define PCI_CONFIG_SIZE	  0x100U
#define PCI_ECAM_FUNCTION 0x1000U

struct pci_capability {
	struct pci_capability *next;
	const struct bus_ops *ops;
	void *ctx;
	uint8_t start, len; /* of the body */
};

struct pci_bar {
	uint32_t size; /* 0: there is none */
	uint32_t at;   /* where it is on the bus; 0: nowhere */
	const struct bus_ops *ops;
	pci_moved_fn moved;
	void *ctx;
};

struct pci_device {
	struct pci *pci;
	unsigned int function; /* of the bus */
	struct pci_bar bar;
	struct pci_capability *capabilities;
	uint8_t link;	  /* where the offset of the next capability goes */
	uint16_t free_at; /* and where that would be */
	uint8_t *config;  /* its page */
	uint8_t writable[PCI_CONFIG_SIZE];
};

struct pci {
	struct bus *memory;
	struct pci_device *bridge;
	unsigned int n; /* functions that there is room for */
	struct pci_device **functions;
	uint8_t *pages;
};

/* As Cloud Hypervisor and QEMU: Red Hat's generic PCIe host bridge. */
static const struct pci_identity pci_bridge = {
	.vendor = 0x1b36,
	.device = 0x0008,
	.subsystem_vendor = 0x1af4,
	.subsystem = 0x1100,
	.class_code = 0x060000,
};

static uint32_t pci_bar_wanted(const struct pci_device *device)
{
	uint32_t base = (uint32_t)bus_value(device->config + PCI_BAR0, 4);

	if (!device->bar.size || !(device->config[PCI_COMMAND] & PCI_COMMAND_MEMORY))
		return 0;
	if (base < LAYOUT_PCI || base - LAYOUT_PCI > LAYOUT_PCI_SIZE - device->bar.size)
		return 0;
	return base;
}

static void pci_bar_unmap(struct pci_device *device)
{
	if (!device->bar.at)
		return;
	bus_remove(device->pci->memory, device->bar.at);
	device->bar.at = 0;
	device->bar.moved(device->bar.ctx, 0);
}

/* All that leave go before any comes: a guest may swap two. */
static void pci_sync(struct pci *pci)
{
	for (unsigned int i = 0; i < pci->n; i++) {
		struct pci_device *device = pci->functions[i];

		if (device && device->bar.at != pci_bar_wanted(device))
			pci_bar_unmap(device);
	}
	for (unsigned int i = 0; i < pci->n; i++) {
		struct pci_device *device = pci->functions[i];
		uint32_t wanted = device ? pci_bar_wanted(device) : 0;
		struct pci_bar *bar;

		if (!wanted || device->bar.at)
			continue;
		bar = &device->bar;
		if (bus_add(pci->memory, wanted, bar->size, bar->ops, bar->ctx) < 0)
			continue;
		bar->at = wanted;
		bar->moved(bar->ctx, wanted);
	}
}

/* The part of an access that is in a capability's body: its bytes, *ret_skip after the access's start. */
static size_t pci_capability_part(const struct pci_capability *capability, uint32_t offset,
				  size_t len, size_t *ret_skip)
{
	uint32_t start = capability->start > offset ? capability->start : offset;
	uint32_t end = (uint32_t)capability->start + capability->len;

	if (end > offset + len)
		end = offset + (uint32_t)len;
	if (start >= end)
		return 0;
	*ret_skip = start - offset;
	return end - start;
}

static void pci_capability_ask(struct pci_device *device, const struct pci_capability *capability)
{
	uint8_t body[PCI_CONFIG_SIZE] = { 0 };

	capability->ops->read(capability->ctx, 0, body, capability->len);
	memcpy(device->config + capability->start, body, capability->len);
}

static void pci_device_write(struct pci_device *device, uint32_t offset, const uint8_t *data,
			     size_t len)
{
	for (size_t i = 0; i < len && offset + i < PCI_CONFIG_SIZE; i++) {
		uint8_t mask = device->writable[offset + i], *byte = &device->config[offset + i];

		*byte = (uint8_t)((*byte & ~mask) | (data[i] & mask));
	}
	for (struct pci_capability *c = device->capabilities; c; c = c->next) {
		size_t skip = 0, part = pci_capability_part(c, offset, len, &skip);

		if (!part || !c->ops)
			continue;
		c->ops->write(c->ctx, offset + skip - c->start, data + skip, part);
		pci_capability_ask(device, c);
	}
	if (offset < PCI_BAR0 + 4)
		pci_sync(device->pci);
}

static void pci_ecam_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	const struct pci *pci = ctx;
	size_t size = (size_t)pci->n * PCI_ECAM_FUNCTION;

	if (offset < size && len <= size - offset)
		memcpy(data, pci->pages + offset, len);
	else
		memset(data, 0xff, len);
}

static void pci_ecam_write(void *ctx, uint64_t offset, const void *data, size_t len)
{
	const struct pci *pci = ctx;
	uint64_t function = offset / PCI_ECAM_FUNCTION;
	uint32_t at = (uint32_t)(offset % PCI_ECAM_FUNCTION);

	if (function < pci->n && pci->functions[function] && at + len <= PCI_CONFIG_SIZE)
		pci_device_write(pci->functions[function], at, data, len);
}

static const struct bus_ops pci_ecam_ops = { pci_ecam_read, pci_ecam_write };

static void pci_release(struct pci *pci)
{
	if (pci->pages)
		(void)munmap(pci->pages, (size_t)pci->n * PCI_ECAM_FUNCTION);
	free(pci->functions);
	free(pci);
}

/* Where no function is, all is ones. */
static int pci_make_pages(struct pci *pci, struct err *err)
{
	size_t size = (size_t)pci->n * PCI_ECAM_FUNCTION;
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return err_errno(err, -errno, "no memory for the PCI configuration space");
	pci->pages = memset(pages, 0xff, size);
	return 0;
}

int pci_new(struct bus *memory, unsigned int devices, struct pci **ret, struct err *err)
{
	struct pci *pci = mem_zalloc(sizeof(*pci));
	int r;

	pci->memory = memory;
	pci->n = (devices + 1 + PCI_FUNCTIONS - 1) / PCI_FUNCTIONS * PCI_FUNCTIONS;
	if (devices > PCI_DEVICES_MAX)
		r = err_set(err, -ENOSPC, "a machine has at most %d devices", PCI_DEVICES_MAX);
	else
		r = pci_make_pages(pci, err);
	if (r == 0) {
		pci->functions = mem_zalloc(pci->n * sizeof(struct pci_device *));
		r = pci_device_new(pci, &pci_bridge, &pci->bridge, err);
	}
	if (r == 0) {
		r = bus_add(memory, LAYOUT_ECAM, LAYOUT_ECAM_SIZE, &pci_ecam_ops, pci);
		if (r < 0) {
			err_errno(err, r, "cannot place the PCI configuration space");
			pci_device_free(pci->bridge);
		}
	}
	if (r < 0) {
		pci_release(pci);
		return r;
	}
	*ret = pci;
	return 0;
}

struct pci *pci_free(struct pci *pci)
{
	if (!pci)
		return NULL;
	pci_device_free(pci->bridge);
	bus_remove(pci->memory, LAYOUT_ECAM);
	pci_release(pci);
	return NULL;
}

const void *pci_pages(const struct pci *pci, size_t *ret_size)
{
	*ret_size = (size_t)pci->n * PCI_ECAM_FUNCTION;
	return pci->pages;
}

static void pci_device_fill(struct pci_device *device, const struct pci_identity *identity)
{
	uint8_t *config = device->config, *writable = device->writable;

	bus_set_value(config + PCI_VENDOR, 2, identity->vendor);
	bus_set_value(config + PCI_DEVICE, 2, identity->device);
	bus_set_value(config + PCI_REVISION, 1, identity->revision);
	bus_set_value(config + PCI_CLASS, 3, identity->class_code);
	bus_set_value(config + PCI_SUBSYSTEM_VENDOR, 2, identity->subsystem_vendor);
	bus_set_value(config + PCI_SUBSYSTEM, 2, identity->subsystem);
	bus_set_value(writable + PCI_COMMAND, 2,
		      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	/* only the first function's of a slot is looked at */
	config[PCI_HEADER_TYPE] = PCI_MULTIFUNCTION;
	writable[PCI_CACHE_LINE] = 0xff;
	writable[PCI_INTERRUPT_LINE] = 0xff;
	device->link = PCI_CAPABILITIES;
	device->free_at = PCI_HEADER_SIZE;
}

int pci_device_new(struct pci *pci, const struct pci_identity *identity, struct pci_device **ret,
		   struct err *err)
{
	for (unsigned int i = 0; i < pci->n; i++) {
		struct pci_device *device;

		if (pci->functions[i])
			continue;
		device = mem_zalloc(sizeof(*device));
		device->pci = pci;
		device->function = i;
		device->config =
			memset(pci->pages + (size_t)i * PCI_ECAM_FUNCTION, 0, PCI_ECAM_FUNCTION);
		pci_device_fill(device, identity);
		pci->functions[i] = device;
		*ret = device;
		return 0;
	}
	return err_set(err, -ENOSPC, "a machine has at most %u devices", pci->n - 1);
}

struct pci_device *pci_device_free(struct pci_device *device)
{
	if (!device)
		return NULL;
	pci_bar_unmap(device);
	device->pci->functions[device->function] = NULL;
	memset(device->config, 0xff, PCI_ECAM_FUNCTION);
	pci_sync(device->pci); /* another BAR may have waited for the place */
	while (device->capabilities) {
		struct pci_capability *capability = device->capabilities;

		device->capabilities = capability->next;
		free(capability);
	}
	free(device);
	return NULL;
}

/* The first device whose BAR, wherever the guest has put it, overlaps. */
static const struct pci_device *pci_overlap(const struct pci *pci, uint64_t base, uint32_t size)
{
	for (unsigned int i = 0; i < pci->n; i++) {
		const struct pci_device *device = pci->functions[i];
		uint64_t other = device ? bus_value(device->config + PCI_BAR0, 4) : 0;

		if (device && device->bar.size && other < base + size &&
		    base < other + device->bar.size)
			return device;
	}
	return NULL;
}

int pci_device_set_bar(struct pci_device *device, uint32_t size, const struct bus_ops *ops,
		       pci_moved_fn moved, void *ctx, struct err *err)
{
	uint64_t base = LAYOUT_PCI;
	const struct pci_device *other;

	if (size < 4096 || (size & (size - 1)))
		return err_set(err, -EINVAL, "a BAR cannot have %u bytes", size);
	while ((other = pci_overlap(device->pci, base, size))) {
		base = bus_value(other->config + PCI_BAR0, 4) + other->bar.size + size - 1;
		base &= ~(uint64_t)(size - 1);
	}
	if (base + size > LAYOUT_PCI + LAYOUT_PCI_SIZE)
		return err_set(err, -ENOSPC,
			       "there is no room for %u bytes of a device's registers", size);
	device->bar = (struct pci_bar){ .size = size, .ops = ops, .moved = moved, .ctx = ctx };
	bus_set_value(device->config + PCI_BAR0, 4, base);
	bus_set_value(device->writable + PCI_BAR0, 4, ~(size - 1));
	return 0;
}

int pci_device_add_capability(struct pci_device *device, uint8_t id, const void *body, uint8_t len,
			      const struct bus_ops *ops, void *ctx)
{
	uint16_t at = device->free_at;
	struct pci_capability *capability;

	if (at + 2U + len > PCI_CONFIG_SIZE)
		return -ENOSPC;
	capability = mem_zalloc(sizeof(*capability));
	*capability = (struct pci_capability){ .next = device->capabilities,
					       .ops = ops,
					       .ctx = ctx,
					       .start = (uint8_t)(at + 2),
					       .len = len };
	device->capabilities = capability;
	device->config[at] = id;
	memcpy(device->config + at + 2, body, len);
	if (ops)
		pci_capability_ask(device, capability);
	device->config[device->link] = (uint8_t)at;
	device->config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
	device->link = (uint8_t)(at + 1);
	device->free_at = (uint16_t)((at + 2U + len + 3U) & ~3U);
	return at;
}
