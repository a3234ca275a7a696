// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/start.h"
#include "vmm/layout.h"

#include <endian.h>

/* The selectors that Linux's boot protocol names, and one more. */
enum start_selector { START_CODE = 0x10, START_DATA = 0x18, START_TASK = 0x20, START_LIMIT = 0x27 };

/* Segment descriptors, Intel SDM volume 3, 3.4.5: flat, present, accessed (busy); L or D by the mode. */
#define START_CODE64 0x00af9b000000ffffULL
#define START_CODE32 0x00cf9b000000ffffULL
#define START_DATA32 0x00cf93000000ffffULL
#define START_TSS    0x00008b0000000067ULL

#define START_PAGE	  4096ULL
#define START_ENTRIES	  512
#define START_GIB	  ((uint64_t)1 << 30)
#define START_LARGE	  ((uint64_t)2 << 20)
#define START_MAX_GIB	  4
#define START_TABLE	  0x03ULL /* present, writable */
#define START_LARGE_PAGE  0x83ULL
#define START_DIRECTORIES (LAYOUT_PAGE_TABLES + 2 * START_PAGE)
#define START_PDPT	  (LAYOUT_PAGE_TABLES + START_PAGE)

static int start_write_tables(struct ram *ram, uint64_t identity)
{
	uint64_t table[START_ENTRIES], pml4 = htole64(START_PDPT | START_TABLE);
	uint64_t n = (identity + START_GIB - 1) / START_GIB, pdpt[START_MAX_GIB] = { 0 };
	int r = ram_write(ram, LAYOUT_PAGE_TABLES, &pml4, sizeof(pml4));

	for (uint64_t i = 0; r == 0 && i < n && i < START_MAX_GIB; i++) {
		uint64_t directory = START_DIRECTORIES + i * START_PAGE;

		pdpt[i] = htole64(directory | START_TABLE);
		for (uint64_t j = 0; j < START_ENTRIES; j++)
			table[j] = htole64((i * START_GIB + j * START_LARGE) | START_LARGE_PAGE);
		r = ram_write(ram, directory, table, sizeof(table));
	}
	return r < 0 ? r : ram_write(ram, START_PDPT, pdpt, sizeof(pdpt));
}

int start_write(struct ram *ram, enum boot_mode mode, uint64_t identity, struct boot_entry *entry,
		struct err *err)
{
	const uint64_t gdt[] = {
		[START_CODE / 8] = htole64(mode == BOOT_LONG ? START_CODE64 : START_CODE32),
		[START_DATA / 8] = htole64(START_DATA32),
		[START_TASK / 8] = htole64(START_TSS),
	};
	int r = ram_write(ram, LAYOUT_GDT, gdt, sizeof(gdt));

	if (r == 0 && mode == BOOT_LONG)
		r = start_write_tables(ram, identity);
	if (r < 0)
		return err_errno(err, r, "cannot write what the CPU starts with");
	entry->mode = mode;
	entry->rsp = LAYOUT_STACK;
	entry->cr3 = mode == BOOT_LONG ? LAYOUT_PAGE_TABLES : 0;
	entry->gdt = LAYOUT_GDT;
	entry->gdt_limit = START_LIMIT;
	entry->code = START_CODE;
	entry->data = START_DATA;
	entry->task = START_TASK;
	return 0;
}
