/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BOOT_BOOT_H
#define VMM_BOOT_BOOT_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/mem/ram.h"

/*
 * Puts a kernel into fresh guest memory and says how its first CPU starts. In this order:
 *
 *   - an ELF file with a note of the owner "Linux" (a vmlinux, best the one that its bzImage holds, since its
 *     relocations follow it) starts in long mode at its entry point with a zero page:
 *     Documentation/arch/x86/boot.rst, "64-bit boot protocol". Nothing is unpacked, its pages are mapped.
 *   - any other ELF file with a PVH note (XEN_ELFNOTE_PHYS32_ENTRY) starts by that: FreeBSD and others.
 *   - a bzImage starts in long mode too and unpacks itself, which takes its time.
 */

enum boot_mode {
	BOOT_LONG, /* long mode, paging on, interrupts off */
	BOOT_PVH,  /* 32-bit protected mode, flat, paging off, interrupts off */
};

#define BOOT_SEED_SIZE 32

struct boot_random {
	uint64_t physical, virtual;   /* choose where the kernel is */
	uint8_t seed[BOOT_SEED_SIZE]; /* the first entropy of the guest's own generator */
};

struct boot_input {
	int kernel_fd, initramfs_fd; /* files that nobody truncates; no initramfs: -EBADF */
	const char *cmdline;	     /* added to our own words; "" for nothing */
	uint64_t acpi_rsdp;
	int kaslr; /* the kernel may be put at a random place, unless the command line has `nokaslr` */
	struct boot_random random;
};

struct boot_entry {
	enum boot_mode mode;
	uint64_t rip;
	uint64_t rsi; /* BOOT_LONG: the zero page; else 0 */
	uint64_t rbx; /* BOOT_PVH: hvm_start_info; else 0 */
	uint64_t rsp;
	uint64_t cr3; /* BOOT_LONG: page tables that map low memory as it is; else 0 */
	uint64_t gdt; /* its entries are those of the selectors */
	uint16_t gdt_limit;
	uint16_t code, data, task; /* selectors: flat code of the mode, flat data, a 32-bit TSS */
	int kaslr;		   /* the kernel was put at a random virtual address */
	uint64_t kernel,
		kernel_size;	 /* where it is in memory, with all it claims before it has read
				       * its memory map */
	uint64_t virtual_offset; /* from its linked addresses: for debuggers and dumps */
};

/* ram: nothing of it was touched but what acpi_write() wrote. -ENOMEM with err set where it is too small. */
int boot_load(struct ram *ram, const struct boot_input *input, struct boot_entry *ret,
	      struct err *err);

#endif
