/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BOOT_ELF_H
#define VMM_BOOT_ELF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/boot/load.h"
#include "vmm/mem/ram.h"

/*
 * A kernel as an ELF file, which is hostile. For Linux that is the vmlinux that a bzImage holds: stripped, and
 * followed by its relocations.
 */

#define ELF_SEGMENTS_MAX 64 /* of all kinds; vmlinux has 5 */

struct elf_segment {
	uint64_t offset, file_size; /* in the file */
	uint64_t gpa, size;	    /* in memory, as linked: p_paddr, p_memsz */
};

struct elf_kernel {
	struct elf_segment segments[ELF_SEGMENTS_MAX]; /* those to load; no two overlap */
	size_t n;
	uint64_t start, end; /* around all of them; from 1 MiB up, below 4 GiB */
	uint64_t entry;	     /* e_entry if that lies in a segment, else 0 */
	uint64_t pvh;	     /* XEN_ELFNOTE_PHYS32_ENTRY if there is one in a segment, else 0 */
	int is_linux;	     /* it has notes of the owner "Linux", as each Linux since 4.18 */
	uint64_t tail;	     /* in the file: where what the ELF headers tell of ends */
};

/* Is it an ELF file, by its first 4 bytes? */
int elf_is(const void *magic);

/* size: the file's. Everything in ret was checked against it. -EINVAL with err set if it is no kernel. */
int elf_parse(int fd, uint64_t size, struct elf_kernel *ret, struct err *err);

/* Loads the segments shift bytes above where they are linked; untouched memory makes their bss. */
int elf_load(struct ram *ram, int fd, const struct elf_kernel *kernel, uint64_t shift,
	     enum load_how how, struct err *err);

#endif
