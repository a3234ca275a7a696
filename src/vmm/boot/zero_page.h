/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BOOT_ZERO_PAGE_H
#define VMM_BOOT_ZERO_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/mem/ram.h"

/*
 * Linux's struct boot_params: Documentation/arch/x86/zero-page.rst and boot.rst. For a kernel that comes as an
 * ELF file, and so without a set-up header, the fields that it reads once it runs are filled in here.
 */

/* Where the set-up header is, in a bzImage and in the zero page, and the most of it that is taken. */
#define ZERO_PAGE_HEADER     0x1f1
#define ZERO_PAGE_HEADER_MAX 0x9f /* to 0x290, where the next field begins */

struct zero_page_input {
	const uint8_t *header; /* the set-up header of a bzImage, or NULL */
	size_t header_len;     /* at most ZERO_PAGE_HEADER_MAX */
	size_t cmdline_len;    /* without its NUL; it is at LAYOUT_CMDLINE */
	uint64_t initrd, initrd_size;
	uint64_t acpi_rsdp;
	const uint8_t *seed; /* seed_len bytes of entropy */
	size_t seed_len;
	int kaslr; /* the guest may choose the places of its own mappings */
};

/* Writes the zero page and what it points to, at the addresses of vmm/layout.h. */
int zero_page_write(struct ram *ram, const struct zero_page_input *input, struct err *err);

#endif
