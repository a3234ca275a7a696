// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/pvh.h"
#include "vmm/boot/memmap.h"
#include "vmm/layout.h"

#include <endian.h>

#define PVH_MAGIC   0x336ec578
#define PVH_VERSION 1 /* the first with a memory map */

struct pvh_start {
	uint32_t magic, version, flags, modules;
	uint64_t module_list, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};

struct pvh_module {
	uint64_t gpa, size, cmdline, reserved;
};

struct pvh_range {
	uint64_t gpa, size;
	uint32_t type, reserved;
};

_Static_assert(sizeof(struct pvh_start) == 56, "start_info.h");
_Static_assert(sizeof(struct pvh_module) == 32, "start_info.h");
_Static_assert(sizeof(struct pvh_range) == 24, "start_info.h");
_Static_assert(LAYOUT_PVH_MEMMAP + MEMMAP_MAX * sizeof(struct pvh_range) <= LAYOUT_ZERO_PAGE,
	       "layout.h");

static int pvh_write_memmap(struct ram *ram, uint32_t *ret)
{
	struct memmap_range ranges[MEMMAP_MAX];
	struct pvh_range out[MEMMAP_MAX];
	size_t n = memmap_fill(ram, ranges);

	for (size_t i = 0; i < n; i++)
		out[i] = (struct pvh_range){ .gpa = htole64(ranges[i].gpa),
					     .size = htole64(ranges[i].size),
					     .type = htole32(ranges[i].type) };
	*ret = (uint32_t)n;
	return ram_write(ram, LAYOUT_PVH_MEMMAP, out, n * sizeof(out[0]));
}

int pvh_write(struct ram *ram, const struct pvh_input *input, struct err *err)
{
	struct pvh_module module = { .gpa = htole64(input->initrd),
				     .size = htole64(input->initrd_size) };
	struct pvh_start start = { .magic = htole32(PVH_MAGIC),
				   .version = htole32(PVH_VERSION),
				   .cmdline = htole64(LAYOUT_CMDLINE),
				   .rsdp = htole64(input->acpi_rsdp),
				   .memmap = htole64(LAYOUT_PVH_MEMMAP) };
	uint32_t entries = 0;
	int r = pvh_write_memmap(ram, &entries);

	start.memmap_entries = htole32(entries);
	if (input->initrd_size) {
		start.modules = htole32(1);
		start.module_list = htole64(LAYOUT_PVH_MODULES);
	}
	if (r == 0)
		r = ram_write(ram, LAYOUT_PVH_MODULES, &module, sizeof(module));
	if (r == 0)
		r = ram_write(ram, LAYOUT_PVH_START, &start, sizeof(start));
	return r < 0 ? err_errno(err, r, "cannot write the kernel's start information") : 0;
}
