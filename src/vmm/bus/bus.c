// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/bus/bus.h"
#include "base/mem.h"

#include <string.h>

struct bus_range {
	uint64_t base, last;
	const struct bus_ops *ops;
	void *ctx;
};

/* Sorted by address, without overlaps. */
struct bus {
	struct bus_range *ranges;
	size_t n, size;
};

struct bus *bus_new(void)
{
	return mem_zalloc(sizeof(struct bus));
}

struct bus *bus_free(struct bus *bus)
{
	if (bus)
		free(bus->ranges);
	free(bus);
	return NULL;
}

/* The first range that ends at address or behind it. */
static size_t bus_seek(const struct bus *bus, uint64_t address)
{
	size_t low = 0, high = bus->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (bus->ranges[middle].last < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct bus_ops *ops, void *ctx)
{
	uint64_t last = base + size - 1;
	size_t at = bus_seek(bus, base);

	if (!size || last < base)
		return -EINVAL;
	if (at < bus->n && bus->ranges[at].base <= last)
		return -EEXIST;
	if (bus->n == bus->size) {
		bus->size = bus->size ? 2 * bus->size : 16;
		bus->ranges = mem_realloc(bus->ranges, bus->size, sizeof(*bus->ranges));
	}
	memmove(&bus->ranges[at + 1], &bus->ranges[at], (bus->n - at) * sizeof(*bus->ranges));
	bus->ranges[at] = (struct bus_range){ .base = base, .last = last, .ops = ops, .ctx = ctx };
	bus->n++;
	return 0;
}

void bus_remove(struct bus *bus, uint64_t base)
{
	size_t at = bus_seek(bus, base);

	if (at == bus->n || bus->ranges[at].base != base)
		return;
	bus->n--;
	memmove(&bus->ranges[at], &bus->ranges[at + 1], (bus->n - at) * sizeof(*bus->ranges));
}

static const struct bus_range *bus_find(const struct bus *bus, uint64_t address, size_t len)
{
	size_t at = bus_seek(bus, address);
	const struct bus_range *range = at < bus->n ? &bus->ranges[at] : NULL;

	if (!range || range->base > address || len - 1 > range->last - address)
		return NULL;
	return range;
}

void bus_read(const struct bus *bus, uint64_t address, void *data, size_t len)
{
	const struct bus_range *range = bus_find(bus, address, len);

	memset(data, range ? 0 : 0xff, len);
	if (range)
		range->ops->read(range->ctx, address - range->base, data, len);
}

void bus_write(const struct bus *bus, uint64_t address, const void *data, size_t len)
{
	const struct bus_range *range = bus_find(bus, address, len);

	if (range)
		range->ops->write(range->ctx, address - range->base, data, len);
}
