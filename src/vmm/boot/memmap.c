// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/memmap.h"
#include "vmm/layout.h"

#define MEMMAP_KVM_SIZE (LAYOUT_TSS + 3 * UINT64_C(4096) - LAYOUT_IDENTITY_MAP)

uint64_t memmap_low_end(const struct ram *ram)
{
	const struct ram_region *regions;

	ram_regions(ram, &regions);
	return regions[0].size;
}

static size_t memmap_add(struct memmap_range *ranges, size_t n, uint64_t gpa, uint64_t size,
			 enum memmap_type type)
{
	ranges[n] = (struct memmap_range){ .gpa = gpa, .size = size, .type = type };
	return n + 1;
}

size_t memmap_fill(const struct ram *ram, struct memmap_range ret[MEMMAP_MAX])
{
	const struct ram_region *regions;
	size_t n = 0, n_regions = ram_regions(ram, &regions);

	n = memmap_add(ret, n, 0, LAYOUT_EBDA, MEMMAP_RAM);
	n = memmap_add(ret, n, LAYOUT_EBDA, LAYOUT_HIGH_MEMORY - LAYOUT_EBDA, MEMMAP_RESERVED);
	n = memmap_add(ret, n, LAYOUT_HIGH_MEMORY, regions[0].size - LAYOUT_HIGH_MEMORY,
		       MEMMAP_RAM);
	/* Linux takes no ECAM that is not reserved here or by the DSDT */
	n = memmap_add(ret, n, LAYOUT_ECAM, LAYOUT_ECAM_SIZE, MEMMAP_RESERVED);
	n = memmap_add(ret, n, LAYOUT_IDENTITY_MAP, MEMMAP_KVM_SIZE, MEMMAP_RESERVED);
	if (n_regions > 1)
		n = memmap_add(ret, n, regions[1].gpa, regions[1].size, MEMMAP_RAM);
	return n;
}
