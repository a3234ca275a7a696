/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BUS_BUS_H
#define VMM_BUS_BUS_H

#include <stddef.h>
#include <stdint.h>

/*
 * An address space that devices are found in: one for I/O ports, one for memory. A guest's access is
 * 1, 2, 4 or 8 bytes, little-endian, at any alignment; a device answers every one of them and never fails.
 *
 * Whoever calls into a bus or a device holds the device lock (vmm/machine.h).
 */
struct bus;

struct bus_ops {
	/* offset: from the start of the range; offset + len is within it. data comes zeroed. */
	void (*read)(void *ctx, uint64_t offset, void *data, size_t len);
	void (*write)(void *ctx, uint64_t offset, const void *data, size_t len);
};

struct bus *bus_new(void);
struct bus *bus_free(struct bus *bus); /* returns NULL */

/* size > 0. -EEXIST if it overlaps another range, -EINVAL if it wraps. */
int bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct bus_ops *ops, void *ctx);
/* The range that starts at base; nothing if there is none. */
void bus_remove(struct bus *bus, uint64_t base);

/* Where no range holds all of it, a read gives all ones and a write goes nowhere. */
void bus_read(const struct bus *bus, uint64_t address, void *data, size_t len);
void bus_write(const struct bus *bus, uint64_t address, const void *data, size_t len);

/* Little-endian values in what an access carries, for devices whose registers take any width. */
static inline uint64_t bus_value(const void *data, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len && i < sizeof(value); i++)
		value |= (uint64_t)((const uint8_t *)data)[i] << (8 * i);
	return value;
}

static inline void bus_set_value(void *data, size_t len, uint64_t value)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)data)[i] = i < sizeof(value) ? (uint8_t)(value >> (8 * i)) : 0;
}

#endif
