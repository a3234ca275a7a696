// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/kernel_elf.h"

#include <elf.h>
#include <stdint.h>
#include <string.h>

#define KERNEL_ELF_SEGMENTS_MAX 64
#define KERNEL_ELF_NOTES_MAX	4096
#define KERNEL_ELF_PAGE		UINT64_C(4096)

/* Xen's public/elfnote.h: the 32-bit physical address of the PVH entry point. */
#define KERNEL_ELF_NOTE_PVH 18

struct kernel_elf {
	const char *data;
	size_t len;
	Elf64_Ehdr header;
	Elf64_Phdr segments[KERNEL_ELF_SEGMENTS_MAX];
};

int kernel_elf_is(const void *data, size_t len)
{
	return len >= sizeof(Elf64_Ehdr) && !memcmp(data, ELFMAG, SELFMAG);
}

/* [at, at + n) lies inside [0, size) */
static int kernel_elf_inside(uint64_t at, uint64_t n, uint64_t size)
{
	return at <= size && n <= size - at;
}

static int kernel_elf_check_header(const struct kernel_elf *elf, struct err *err)
{
	const Elf64_Ehdr *h = &elf->header;

	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_machine != EM_X86_64)
		return err_set(err, -EINVAL, "it is no 64-bit x86 kernel");
	if ((h->e_type != ET_EXEC && h->e_type != ET_DYN) || h->e_phentsize != sizeof(Elf64_Phdr) ||
	    !h->e_phnum || h->e_phnum > KERNEL_ELF_SEGMENTS_MAX ||
	    !kernel_elf_inside(h->e_phoff, h->e_phnum * sizeof(Elf64_Phdr), elf->len))
		return err_set(err, -EINVAL, "its ELF header is wrong, or it is truncated");
	if (h->e_shnum &&
	    (h->e_shentsize != sizeof(Elf64_Shdr) ||
	     !kernel_elf_inside(h->e_shoff, h->e_shnum * sizeof(Elf64_Shdr), elf->len)))
		return err_set(err, -EINVAL, "its section table is wrong, or it is truncated");
	return 0;
}

static int kernel_elf_overlaps(const Elf64_Phdr *a, const Elf64_Phdr *b)
{
	return a->p_paddr < b->p_paddr + b->p_memsz && b->p_paddr < a->p_paddr + a->p_memsz;
}

static int kernel_elf_check_segments(const struct kernel_elf *elf, struct err *err)
{
	int loads = 0;

	for (int i = 0; i < elf->header.e_phnum; i++) {
		const Elf64_Phdr *s = &elf->segments[i];

		if (!kernel_elf_inside(s->p_offset, s->p_filesz, elf->len))
			return err_set(err, -EINVAL,
				       "a segment lies outside of the file: truncated?");
		if (s->p_type != PT_LOAD)
			continue;
		if (s->p_filesz > s->p_memsz ||
		    !kernel_elf_inside(s->p_paddr, s->p_memsz, UINT32_MAX))
			return err_set(err, -EINVAL, "a segment has an impossible size or address");
		for (int j = 0; j < i; j++) {
			if (elf->segments[j].p_type == PT_LOAD &&
			    kernel_elf_overlaps(s, &elf->segments[j]))
				return err_set(err, -EINVAL, "two segments overlap");
		}
		loads++;
	}
	return loads ? 0 : err_set(err, -EINVAL, "it has nothing to load");
}

/* Is the physical address inside what is loaded from the file? */
static int kernel_elf_is_loaded(const struct kernel_elf *elf, uint64_t address)
{
	for (int i = 0; i < elf->header.e_phnum; i++) {
		const Elf64_Phdr *s = &elf->segments[i];

		if (s->p_type == PT_LOAD && address >= s->p_paddr &&
		    address - s->p_paddr < s->p_filesz)
			return 1;
	}
	return 0;
}

/* The PVH entry in one segment of notes; 0 if there is none. */
static uint64_t kernel_elf_pvh_entry(const char *notes, size_t len)
{
	Elf64_Nhdr note;

	while (len >= sizeof(note)) {
		uint64_t name, size, entry = 0;

		memcpy(&note, notes, sizeof(note));
		name = ((uint64_t)note.n_namesz + 3) & ~UINT64_C(3);
		size = sizeof(note) + name + (((uint64_t)note.n_descsz + 3) & ~UINT64_C(3));
		if (size > len)
			return 0;
		if (note.n_type == KERNEL_ELF_NOTE_PVH && note.n_namesz == sizeof("Xen") &&
		    !memcmp(notes + sizeof(note), "Xen", sizeof("Xen")) &&
		    (note.n_descsz == 4 || note.n_descsz == 8)) {
			memcpy(&entry, notes + sizeof(note) + name, note.n_descsz);
			return entry;
		}
		notes += size;
		len -= size;
	}
	return 0;
}

static int kernel_elf_check_entry(const struct kernel_elf *elf, struct err *err)
{
	uint64_t entry = 0;

	for (int i = 0; i < elf->header.e_phnum && !entry; i++) {
		const Elf64_Phdr *s = &elf->segments[i];

		if (s->p_type == PT_NOTE && s->p_filesz <= KERNEL_ELF_NOTES_MAX)
			entry = kernel_elf_pvh_entry(elf->data + s->p_offset, s->p_filesz);
	}
	if (!entry)
		return err_set(err, -EOPNOTSUPP,
			       "it has no PVH entry point, by which brig boots kernels: use one "
			       "built with CONFIG_PVH=y");
	if (!kernel_elf_is_loaded(elf, entry))
		return err_set(err, -EINVAL, "its PVH entry point lies outside of it");
	return 0;
}

int kernel_elf_check(const void *data, size_t len, struct err *err)
{
	struct kernel_elf elf = { .data = data, .len = len };
	int r;

	if (!kernel_elf_is(data, len))
		return err_set(err, -EINVAL, "it is no ELF file");
	memcpy(&elf.header, data, sizeof(elf.header));
	r = kernel_elf_check_header(&elf, err);
	if (r < 0)
		return r;
	memcpy(elf.segments, elf.data + elf.header.e_phoff,
	       elf.header.e_phnum * sizeof(Elf64_Phdr));
	r = kernel_elf_check_segments(&elf, err);
	return r < 0 ? r : kernel_elf_check_entry(&elf, err);
}

/* How much of a segment is to be read from the file, in whole pages. */
static uint64_t kernel_elf_used(const char *segment, uint64_t len)
{
	uint64_t used = len, pages;

	while (used > 1 && !segment[used - 1])
		used--;
	pages = (used + KERNEL_ELF_PAGE - 1) & ~(KERNEL_ELF_PAGE - 1);
	return pages < len ? pages : len;
}

void kernel_elf_trim(void *data)
{
	char *bytes = data;
	Elf64_Ehdr h;

	memcpy(&h, bytes, sizeof(h));
	for (int i = 0; i < h.e_phnum; i++) {
		char *at = bytes + h.e_phoff + (size_t)i * sizeof(Elf64_Phdr);
		Elf64_Phdr s;

		memcpy(&s, at, sizeof(s));
		if (s.p_type != PT_LOAD || !h.e_shnum || h.e_shoff < s.p_offset + s.p_filesz)
			continue;
		s.p_filesz = kernel_elf_used(bytes + s.p_offset, s.p_filesz);
		memcpy(at, &s, sizeof(s));
	}
}

int kernel_elf_release(const void *data, size_t len, char ret[BZIMAGE_RELEASE_MAX + 1],
		       struct err *err)
{
	static const char banner[] = "Linux version ";
	const char *at = data, *end = at + len;

	while ((at = memmem(at, (size_t)(end - at), banner, strlen(banner)))) {
		at += strlen(banner);
		/* "Linux version %s" stands in it too */
		if (bzimage_parse_release(at, (size_t)(end - at), ret) == 0)
			return 0;
	}
	return err_set(err, -EINVAL, "it does not say which release it is: is it a Linux kernel?");
}
