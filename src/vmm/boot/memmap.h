/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BOOT_MEMMAP_H
#define VMM_BOOT_MEMMAP_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/mem/ram.h"

/* What a kernel is told of the physical address space: by e820 in the zero page, by PVH's memory map. */

#define MEMMAP_MAX 8

/* The same numbers in both, those of ACPI's address range types. */
enum memmap_type { MEMMAP_RAM = 1, MEMMAP_RESERVED = 2 };

struct memmap_range {
	uint64_t gpa, size;
	uint32_t type;
};

/* In rising order, not overlapping. Returns how many. */
size_t memmap_fill(const struct ram *ram, struct memmap_range ret[MEMMAP_MAX]);

/* Where memory below 4 GiB ends. */
uint64_t memmap_low_end(const struct ram *ram);

#endif
