/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MADE_KERNEL_H
#define MADE_KERNEL_H

#include "base/file.h"
#include "vmm/mem/ram.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

/* A small kernel file, made up: headers, notes, two segments, and perhaps relocations after them. */

#define MIB	       ((uint64_t)1 << 20)
#define MADE_START     0x1000000ULL
#define MADE_SECOND    0x1200000ULL
#define MADE_SIZE      0x205000ULL /* in memory */
#define MADE_TEXT      0x1000	   /* where the first segment is in the file */
#define MADE_TEXT_SIZE 0x1800
#define MADE_DATA      0x3000
#define MADE_END       0x4000 /* of the ELF file */
#define MADE_NOTES     0x400
#define MADE_PVH       (MADE_START + 0x20)
#define MADE_TABLE_MAX 16

struct made_notes {
	Elf64_Nhdr first;
	char first_name[8];
	Elf64_Nhdr second;
	char second_name[4];
	uint32_t second_value;
};

struct made_kernel {
	union {
		struct {
			Elf64_Ehdr header;
			Elf64_Phdr segments[3];
		};
		uint8_t bytes[MADE_END];
	};
	uint32_t table[MADE_TABLE_MAX]; /* follows the ELF file: its first words are in use */
};

static inline struct made_notes *made_notes(struct made_kernel *kernel)
{
	return (struct made_notes *)(void *)(kernel->bytes + MADE_NOTES);
}

/* A Linux with a PVH entry too. */
static inline void made_init(struct made_kernel *kernel)
{
	struct made_notes *notes;

	memset(kernel, 0, sizeof(*kernel));
	memset(kernel->bytes + MADE_TEXT, 't', MADE_TEXT_SIZE);
	memset(kernel->bytes + MADE_DATA, 'd', MADE_END - MADE_DATA);
	memcpy(kernel->header.e_ident, ELFMAG, SELFMAG);
	kernel->header.e_ident[EI_CLASS] = ELFCLASS64;
	kernel->header.e_ident[EI_DATA] = ELFDATA2LSB;
	kernel->header.e_machine = EM_X86_64;
	kernel->header.e_type = ET_EXEC;
	kernel->header.e_phentsize = sizeof(Elf64_Phdr);
	kernel->header.e_phnum = 3;
	kernel->header.e_phoff = sizeof(Elf64_Ehdr);
	kernel->header.e_entry = MADE_START;
	kernel->segments[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
					    .p_offset = MADE_TEXT,
					    .p_filesz = MADE_TEXT_SIZE,
					    .p_paddr = MADE_START,
					    .p_memsz = 0x2000 };
	kernel->segments[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
					    .p_offset = MADE_DATA,
					    .p_filesz = MADE_END - MADE_DATA,
					    .p_paddr = MADE_SECOND,
					    .p_memsz = 0x5000 };
	kernel->segments[2] = (Elf64_Phdr){ .p_type = PT_NOTE,
					    .p_offset = MADE_NOTES,
					    .p_filesz = sizeof(struct made_notes) };
	notes = made_notes(kernel);
	notes->first = (Elf64_Nhdr){ .n_namesz = 6, .n_descsz = 0, .n_type = 0x100 };
	memcpy(notes->first_name, "Linux", 6);
	notes->second = (Elf64_Nhdr){ .n_namesz = 4, .n_descsz = 4, .n_type = 18 };
	memcpy(notes->second_name, "Xen", 4);
	notes->second_value = MADE_PVH;
}

/* Without the note by which it is a Linux. */
static inline void made_other(struct made_kernel *kernel)
{
	made_init(kernel);
	memcpy(made_notes(kernel)->first_name, "Plan9", 6);
}

static inline int made_file(const void *data, size_t len)
{
	int fd = memfd_create("made", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, data, len), 0);
	return fd;
}

static inline struct ram *made_ram(uint64_t size, int shared)
{
	struct ram_options options = { .size = size, .shared = shared };
	struct err err = ERR_INIT;
	struct ram *ram = NULL;

	assert_int_equal(ram_new(&options, &ram, &err), 0);
	return ram;
}

static inline uint64_t made_read(const struct ram *ram, uint64_t gpa, size_t len)
{
	uint64_t value = 0;

	assert_int_equal(ram_read(ram, gpa, &value, len), 0);
	return value;
}

#endif
