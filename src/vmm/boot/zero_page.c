// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/zero_page.h"
#include "vmm/boot/cmdline.h"
#include "vmm/boot/memmap.h"
#include "vmm/layout.h"

#include <asm/bootparam.h>
#include <endian.h>
#include <string.h>

#define ZERO_PAGE_BOOT_FLAG 0xaa55
#define ZERO_PAGE_MAGIC	    0x53726448 /* "HdrS" */
#define ZERO_PAGE_VERSION   0x020f
#define ZERO_PAGE_LOADER    0xff /* without a number of its own */

_Static_assert(offsetof(struct boot_params, hdr) == ZERO_PAGE_HEADER, "boot.rst");
_Static_assert(sizeof(struct boot_params) == 4096, "zero-page.rst");

static void zero_page_set_header(struct boot_params *page, const struct zero_page_input *input)
{
	struct setup_header *header = &page->hdr;

	if (input->header) {
		memcpy((uint8_t *)page + ZERO_PAGE_HEADER, input->header, input->header_len);
		header->loadflags &= (uint8_t)~KASLR_FLAG; /* its unpacker's to set */
	} else {
		header->boot_flag = htole16(ZERO_PAGE_BOOT_FLAG);
		header->header = htole32(ZERO_PAGE_MAGIC);
		header->version = htole16(ZERO_PAGE_VERSION);
		header->loadflags = LOADED_HIGH;
		if (input->kaslr)
			header->loadflags |= KASLR_FLAG;
		header->cmdline_size = htole32(CMDLINE_MAX);
	}
	header->type_of_loader = ZERO_PAGE_LOADER;
	header->cmd_line_ptr = htole32((uint32_t)LAYOUT_CMDLINE);
	header->ramdisk_image = htole32((uint32_t)input->initrd);
	header->ramdisk_size = htole32((uint32_t)input->initrd_size);
	header->setup_data = htole64(LAYOUT_SETUP_DATA);
}

static void zero_page_set_e820(const struct ram *ram, struct boot_params *page)
{
	struct memmap_range ranges[MEMMAP_MAX];
	size_t n = memmap_fill(ram, ranges);

	for (size_t i = 0; i < n; i++)
		page->e820_table[i] = (struct boot_e820_entry){ .addr = htole64(ranges[i].gpa),
								.size = htole64(ranges[i].size),
								.type = htole32(ranges[i].type) };
	page->e820_entries = (uint8_t)n;
}

/* The kernel wipes it once it has mixed it into its pool. */
static int zero_page_write_seed(struct ram *ram, const struct zero_page_input *input)
{
	struct setup_data data = { .type = htole32(SETUP_RNG_SEED),
				   .len = htole32((uint32_t)input->seed_len) };
	int r = ram_write(ram, LAYOUT_SETUP_DATA, &data, sizeof(data));

	return r < 0 ? r
		     : ram_write(ram, LAYOUT_SETUP_DATA + sizeof(data), input->seed,
				 input->seed_len);
}

int zero_page_write(struct ram *ram, const struct zero_page_input *input, struct err *err)
{
	struct boot_params page = { .acpi_rsdp_addr = htole64(input->acpi_rsdp) };
	int r;

	if (input->header_len > ZERO_PAGE_HEADER_MAX)
		return err_set(err, -EINVAL, "its header is too long");
	zero_page_set_header(&page, input);
	page.ext_ramdisk_image = htole32((uint32_t)(input->initrd >> 32));
	page.ext_ramdisk_size = htole32((uint32_t)(input->initrd_size >> 32));
	zero_page_set_e820(ram, &page);
	r = ram_write(ram, LAYOUT_ZERO_PAGE, &page, sizeof(page));
	if (r == 0)
		r = zero_page_write_seed(ram, input);
	return r < 0 ? err_errno(err, r, "cannot write the kernel's boot parameters") : 0;
}
