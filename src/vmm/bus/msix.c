// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: a vector is armed (its eventfd raises its message) while MSI-X is on and neither the
 * function nor the vector's entry is masked. Whatever of that the guest writes, msix_sync() brings the
 * vector after it: at most one new route for each write, and none if the message is as before.
 */
#include "vmm/bus/msix.h"
#include "base/log.h"
#include "base/mem.h"

#include <string.h>

#define MSIX_CAPABILITY 0x11
/* Message control: offset in the capability's body, and the bits of its upper byte. */
#define MSIX_CONTROL	   0
#define MSIX_CONTROL_HIGH  1
#define MSIX_ENABLE	   0x80U
#define MSIX_FUNCTION_MASK 0x40U
#define MSIX_BODY_SIZE	   10

#define MSIX_ENTRY_DATA	   8
#define MSIX_ENTRY_CONTROL 12
#define MSIX_MASKED	   1U

struct msix {
	uint8_t body[MSIX_BODY_SIZE];
	unsigned int n;
	uint8_t *table;
	struct msi_vector *vectors[];
};

static void msix_sync(struct msix *msix, unsigned int vector)
{
	const uint8_t *entry = msix->table + (size_t)MSIX_ENTRY_SIZE * vector;
	uint8_t control = msix->body[MSIX_CONTROL_HIGH];
	int r;

	if ((control & (MSIX_ENABLE | MSIX_FUNCTION_MASK)) != MSIX_ENABLE ||
	    (entry[MSIX_ENTRY_CONTROL] & MSIX_MASKED)) {
		msi_vector_mask(msix->vectors[vector]);
		return;
	}
	r = msi_vector_unmask(msix->vectors[vector], bus_value(entry, 8),
			      (uint32_t)bus_value(entry + MSIX_ENTRY_DATA, 4));
	/* a message that makes no sense: it stays pending until the guest writes a better one */
	if (r < 0)
		log_debug("MSI-X vector %u: %s", vector, strerror(-r));
}

static void msix_body_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	struct msix *msix = ctx;

	memcpy(data, msix->body + offset, len);
}

static void msix_body_write(void *ctx, uint64_t offset, const void *data, size_t len)
{
	struct msix *msix = ctx;
	uint8_t before = msix->body[MSIX_CONTROL_HIGH], now;

	if (offset > MSIX_CONTROL_HIGH || offset + len <= MSIX_CONTROL_HIGH)
		return;
	now = ((const uint8_t *)data)[MSIX_CONTROL_HIGH - offset];
	now = (now & (MSIX_ENABLE | MSIX_FUNCTION_MASK)) |
	      (before & (uint8_t) ~(MSIX_ENABLE | MSIX_FUNCTION_MASK));
	if (now == before)
		return;
	msix->body[MSIX_CONTROL_HIGH] = now;
	for (unsigned int i = 0; i < msix->n; i++)
		msix_sync(msix, i);
}

static const struct bus_ops msix_body_ops = { msix_body_read, msix_body_write };

static int msix_fill(struct msix *msix, struct msi *msi, unsigned int vectors)
{
	for (; msix->n < vectors; msix->n++) {
		int r = msi_vector_new(msi, &msix->vectors[msix->n]);

		if (r < 0)
			return r;
		msix->table[MSIX_ENTRY_SIZE * msix->n + MSIX_ENTRY_CONTROL] = MSIX_MASKED;
	}
	return 0;
}

int msix_new(struct msi *msi, struct pci_device *device, unsigned int vectors, uint32_t table,
	     uint32_t pba, struct msix **ret, struct err *err)
{
	struct msix *msix;
	int r;

	if (!vectors || vectors > MSIX_VECTORS_MAX || table % 8 || pba % 8)
		return err_set(err, -EINVAL, "a device cannot have %u interrupts", vectors);
	msix = mem_zalloc(sizeof(*msix) + vectors * sizeof(struct msi_vector *));
	msix->table = mem_zalloc((size_t)MSIX_ENTRY_SIZE * vectors);
	bus_set_value(msix->body + MSIX_CONTROL, 2, vectors - 1);
	bus_set_value(msix->body + 2, 4, table); /* the lower 3 bits: in BAR 0 */
	bus_set_value(msix->body + 6, 4, pba);
	r = msix_fill(msix, msi, vectors);
	if (r >= 0)
		r = pci_device_add_capability(device, MSIX_CAPABILITY, msix->body, MSIX_BODY_SIZE,
					      &msix_body_ops, msix);
	if (r < 0) {
		msix_free(msix);
		return err_errno(err, r, "cannot make a device's interrupts");
	}
	*ret = msix;
	return 0;
}

struct msix *msix_free(struct msix *msix)
{
	if (!msix)
		return NULL;
	for (unsigned int i = 0; i < msix->n; i++)
		msi_vector_free(msix->vectors[i]);
	free(msix->table);
	free(msix);
	return NULL;
}

unsigned int msix_vectors(const struct msix *msix)
{
	return msix->n;
}

void msix_raise(struct msix *msix, unsigned int vector)
{
	if (vector < msix->n && (msix->body[MSIX_CONTROL_HIGH] & MSIX_ENABLE))
		msi_vector_raise(msix->vectors[vector]);
}

int msix_fd(const struct msix *msix, unsigned int vector)
{
	return vector < msix->n ? msi_vector_fd(msix->vectors[vector]) : -EBADF;
}

/* Bytes of an access that are within size. */
static size_t msix_part(uint64_t offset, size_t len, uint64_t size)
{
	if (offset >= size)
		return 0;
	return len < size - offset ? len : (size_t)(size - offset);
}

void msix_table_read(const struct msix *msix, uint64_t offset, void *data, size_t len)
{
	size_t part = msix_part(offset, len, (uint64_t)MSIX_ENTRY_SIZE * msix->n);

	memset(data, 0, len);
	memcpy(data, msix->table + (part ? offset : 0), part);
}

void msix_table_write(struct msix *msix, uint64_t offset, const void *data, size_t len)
{
	size_t part = msix_part(offset, len, (uint64_t)MSIX_ENTRY_SIZE * msix->n);
	unsigned int first, last;

	if (!part)
		return;
	memcpy(msix->table + offset, data, part);
	first = (unsigned int)(offset / MSIX_ENTRY_SIZE);
	last = (unsigned int)((offset + part - 1) / MSIX_ENTRY_SIZE);
	for (unsigned int i = first; i <= last; i++) {
		uint8_t *control = msix->table + (size_t)MSIX_ENTRY_SIZE * i + MSIX_ENTRY_CONTROL;

		bus_set_value(control, 4, control[0] & MSIX_MASKED);
		msix_sync(msix, i);
	}
}

void msix_pba_read(const struct msix *msix, uint64_t offset, void *data, size_t len)
{
	memset(data, 0, len);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		uint64_t vector = 8 * offset + bit;

		if (vector >= msix->n)
			return;
		if (msi_vector_pending(msix->vectors[vector]))
			((uint8_t *)data)[bit / 8] |= (uint8_t)(1U << (bit % 8));
	}
}
