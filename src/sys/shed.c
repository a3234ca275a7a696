// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/shed.h"

#include <elf.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* The linker's: where the program begins in memory. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static void shed_segment(const Elf64_Phdr *segment, uintptr_t page)
{
	uintptr_t start = (uintptr_t)__ehdr_start + segment->p_vaddr;
	uintptr_t end = start + segment->p_memsz;

	start -= start % page;
	(void)madvise((void *)start, end - start, MADV_DONTNEED);
}

/* What can be written is not the file's any more; nor is, in that segment, what has been made read-only since. */
void shed(void)
{
	const Elf64_Ehdr *head = (const void *)__ehdr_start;
	const Elf64_Phdr *segment = (const void *)(__ehdr_start + head->e_phoff);

	(void)malloc_trim(0);
	for (int i = 0; i < head->e_phnum; i++, segment++) {
		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
			shed_segment(segment, (uintptr_t)sysconf(_SC_PAGESIZE));
	}
}
