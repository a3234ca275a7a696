// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Invariants:
 *  1. An edge-triggered pin sends one message for each rise while it is open; a rise while it is masked is
 *     remembered (irr) and sent when it opens.
 *  2. A level-triggered pin sends when it is high, open, and its last message was acknowledged (remote IRR).
 *  3. A pin has a route in KVM exactly while it is level-triggered and open.
 */
#include "vmm/dev/ioapic.h"
#include "base/mem.h"
#include "vmm/layout.h"

/* Registers of the window, then those behind it. */
#define IOAPIC_SELECT	    0x00
#define IOAPIC_DATA	    0x10
#define IOAPIC_ID	    0x00
#define IOAPIC_VERSION	    0x01
#define IOAPIC_ARBITRATION  0x02
#define IOAPIC_REDIRECTION  0x10
#define IOAPIC_VERSION_BITS (0x11U | (LAYOUT_PINS - 1) << 16)
#define IOAPIC_ID_BITS	    0x0f000000U

/* A redirection entry. */
#define IOAPIC_VECTOR	  0xffULL
#define IOAPIC_DELIVERY	  0x700ULL
#define IOAPIC_LOGICAL	  (1ULL << 11)
#define IOAPIC_REMOTE_IRR (1ULL << 14)
#define IOAPIC_LEVEL	  (1ULL << 15)
#define IOAPIC_MASKED	  (1ULL << 16)
#define IOAPIC_READ_ONLY  (1ULL << 12 | IOAPIC_REMOTE_IRR)
#define IOAPIC_DEST_SHIFT 56

struct ioapic {
	struct hv hv;
	uint32_t select, id;
	uint64_t entries[LAYOUT_PINS];
	uint32_t levels, irr; /* a bit for each pin */
	uint32_t routed;
};

struct ioapic *ioapic_new(const struct hv *hv)
{
	struct ioapic *ioapic = mem_zalloc(sizeof(*ioapic));

	ioapic->hv = *hv;
	for (unsigned int pin = 0; pin < LAYOUT_PINS; pin++)
		ioapic->entries[pin] = IOAPIC_MASKED;
	return ioapic;
}

struct ioapic *ioapic_free(struct ioapic *ioapic)
{
	free(ioapic);
	return NULL;
}

/* The message that an entry stands for: Intel SDM volume 3, "Message Signalled Interrupts". */
static uint64_t ioapic_address(uint64_t entry)
{
	return LAYOUT_LAPIC | (entry >> IOAPIC_DEST_SHIFT) << 12 |
	       (entry & IOAPIC_LOGICAL ? 1U << 2 : 0);
}

static uint32_t ioapic_data(uint64_t entry)
{
	return (uint32_t)(entry & (IOAPIC_VECTOR | IOAPIC_DELIVERY)) |
	       (entry & IOAPIC_LEVEL ? 1U << 15 | 1U << 14 : 0);
}

static void ioapic_service(struct ioapic *ioapic, unsigned int pin)
{
	uint64_t *entry = &ioapic->entries[pin];
	uint32_t bit = 1U << pin;

	if (*entry & IOAPIC_MASKED)
		return;
	if (*entry & IOAPIC_LEVEL) {
		if (!(ioapic->levels & bit) || *entry & IOAPIC_REMOTE_IRR)
			return;
		*entry |= IOAPIC_REMOTE_IRR;
	} else if (!(ioapic->irr & bit)) {
		return;
	}
	ioapic->irr &= ~bit;
	/* a message that no local APIC takes is lost, as on a PC */
	(void)ioapic->hv.ops->signal(ioapic->hv.ctx, ioapic_address(*entry), ioapic_data(*entry));
}

/* Invariant 3. */
static void ioapic_update_route(struct ioapic *ioapic, unsigned int pin)
{
	uint64_t entry = ioapic->entries[pin];
	uint32_t bit = 1U << pin;

	if (entry & IOAPIC_LEVEL && !(entry & IOAPIC_MASKED)) {
		(void)ioapic->hv.ops->route(ioapic->hv.ctx, pin, ioapic_address(entry),
					    ioapic_data(entry));
		ioapic->routed |= bit;
	} else if (ioapic->routed & bit) {
		(void)ioapic->hv.ops->unroute(ioapic->hv.ctx, pin);
		ioapic->routed &= ~bit;
	}
}

static uint32_t ioapic_get(const struct ioapic *ioapic)
{
	uint32_t half = ioapic->select - IOAPIC_REDIRECTION;

	switch (ioapic->select) {
	case IOAPIC_ID:
	case IOAPIC_ARBITRATION:
		return ioapic->id;
	case IOAPIC_VERSION:
		return IOAPIC_VERSION_BITS;
	default:
		return half / 2 < LAYOUT_PINS
			       ? (uint32_t)(ioapic->entries[half / 2] >> half % 2 * 32)
			       : 0;
	}
}

static void ioapic_put(struct ioapic *ioapic, uint32_t value)
{
	uint32_t half = ioapic->select - IOAPIC_REDIRECTION, pin = half / 2;
	uint64_t kept, *entry;

	if (ioapic->select == IOAPIC_ID)
		ioapic->id = value & IOAPIC_ID_BITS;
	if (pin >= LAYOUT_PINS)
		return;
	entry = &ioapic->entries[pin];
	kept = *entry & IOAPIC_READ_ONLY;
	if (half % 2)
		*entry = (uint64_t)value << 32 | (*entry & UINT32_MAX);
	else
		*entry = (*entry & ~(uint64_t)UINT32_MAX) | value;
	*entry = (*entry & ~IOAPIC_READ_ONLY) | kept;
	if (!(*entry & IOAPIC_LEVEL))
		*entry &= ~IOAPIC_REMOTE_IRR;
	ioapic_update_route(ioapic, pin);
	ioapic_service(ioapic, pin);
}

static void ioapic_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	const struct ioapic *ioapic = ctx;

	if (offset == IOAPIC_SELECT)
		bus_set_value(data, len, ioapic->select);
	else if (offset == IOAPIC_DATA)
		bus_set_value(data, len, ioapic_get(ioapic));
}

static void ioapic_write(void *ctx, uint64_t offset, const void *data, size_t len)
{
	struct ioapic *ioapic = ctx;
	uint32_t value = (uint32_t)bus_value(data, len);

	if (offset == IOAPIC_SELECT)
		ioapic->select = value & 0xff;
	else if (offset == IOAPIC_DATA)
		ioapic_put(ioapic, value);
}

const struct bus_ops ioapic_bus_ops = { .read = ioapic_read, .write = ioapic_write };

void ioapic_set(struct ioapic *ioapic, unsigned int pin, int level)
{
	uint32_t bit = 1U << pin;

	if (level && !(ioapic->levels & bit))
		ioapic->irr |= bit;
	if (level)
		ioapic->levels |= bit;
	else
		ioapic->levels &= ~bit;
	if (level)
		ioapic_service(ioapic, pin);
}

void ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
	for (unsigned int pin = 0; pin < LAYOUT_PINS; pin++) {
		uint64_t *entry = &ioapic->entries[pin];

		if ((*entry & IOAPIC_VECTOR) != vector || !(*entry & IOAPIC_LEVEL))
			continue;
		*entry &= ~IOAPIC_REMOTE_IRR;
		ioapic_service(ioapic, pin);
	}
}
