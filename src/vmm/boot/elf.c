// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/elf.h"
#include "vmm/boot/load.h"
#include "vmm/layout.h"

#include <elf.h>
#include <string.h>

#define ELF_NOTES_MAX 65536 /* bytes; Debian's has 512 */

/* Xen's public/elfnote.h: the 32-bit physical address of the PVH entry point. */
#define ELF_NOTE_PVH 18

int elf_is(const void *magic)
{
	return !memcmp(magic, ELFMAG, SELFMAG);
}

/* [at, at + n) lies inside [0, size) */
static int elf_inside(uint64_t at, uint64_t n, uint64_t size)
{
	return at <= size && n <= size - at;
}

static int elf_check_header(const Elf64_Ehdr *h, uint64_t size, struct err *err)
{
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_machine != EM_X86_64)
		return err_set(err, -EINVAL, "it is no 64-bit x86 kernel");
	if ((h->e_type != ET_EXEC && h->e_type != ET_DYN) || h->e_phentsize != sizeof(Elf64_Phdr) ||
	    !h->e_phnum || h->e_phnum > ELF_SEGMENTS_MAX ||
	    !elf_inside(h->e_phoff, h->e_phnum * sizeof(Elf64_Phdr), size))
		return err_set(err, -EINVAL, "its ELF header is wrong, or it is truncated");
	if (h->e_shnum && (h->e_shentsize != sizeof(Elf64_Shdr) ||
			   !elf_inside(h->e_shoff, h->e_shnum * sizeof(Elf64_Shdr), size)))
		return err_set(err, -EINVAL, "its section table is wrong, or it is truncated");
	return 0;
}

static int elf_add_segment(struct elf_kernel *kernel, const Elf64_Phdr *p, struct err *err)
{
	struct elf_segment *s = &kernel->segments[kernel->n];

	if (!p->p_memsz)
		return 0;
	if (p->p_filesz > p->p_memsz || p->p_paddr < LAYOUT_HIGH_MEMORY ||
	    !elf_inside(p->p_paddr, p->p_memsz, UINT32_MAX))
		return err_set(err, -EINVAL, "a segment has an impossible size or address");
	*s = (struct elf_segment){ .offset = p->p_offset,
				   .file_size = p->p_filesz,
				   .gpa = p->p_paddr,
				   .size = p->p_memsz };
	for (size_t i = 0; i < kernel->n; i++) {
		const struct elf_segment *other = &kernel->segments[i];

		if (s->gpa < other->gpa + other->size && other->gpa < s->gpa + s->size)
			return err_set(err, -EINVAL, "two segments overlap");
	}
	if (!kernel->n || s->gpa < kernel->start)
		kernel->start = s->gpa;
	if (s->gpa + s->size > kernel->end)
		kernel->end = s->gpa + s->size;
	kernel->n++;
	return 0;
}

/* Does the physical address lie in what is loaded from the file? */
static int elf_is_loaded(const struct elf_kernel *kernel, uint64_t address)
{
	for (size_t i = 0; i < kernel->n; i++) {
		const struct elf_segment *s = &kernel->segments[i];

		if (address >= s->gpa && address - s->gpa < s->file_size)
			return 1;
	}
	return 0;
}

static int elf_note_is(const uint8_t *name, const Elf64_Nhdr *note, const char *owner)
{
	size_t n = strlen(owner) + 1;

	return note->n_namesz == n && !memcmp(name, owner, n);
}

static void elf_read_notes(struct elf_kernel *kernel, const uint8_t *notes, size_t len)
{
	Elf64_Nhdr note;

	while (len >= sizeof(note)) {
		uint64_t name, size, entry = 0;

		memcpy(&note, notes, sizeof(note));
		name = ((uint64_t)note.n_namesz + 3) & ~UINT64_C(3);
		size = sizeof(note) + name + (((uint64_t)note.n_descsz + 3) & ~UINT64_C(3));
		if (size > len)
			return;
		if (elf_note_is(notes + sizeof(note), &note, "Linux"))
			kernel->is_linux = 1;
		if (elf_note_is(notes + sizeof(note), &note, "Xen") &&
		    note.n_type == ELF_NOTE_PVH && (note.n_descsz == 4 || note.n_descsz == 8)) {
			memcpy(&entry, notes + sizeof(note) + name, note.n_descsz);
			kernel->pvh = elf_is_loaded(kernel, entry) ? entry : 0;
		}
		notes += size;
		len -= size;
	}
}

static int elf_parse_notes(int fd, const Elf64_Phdr *p, struct elf_kernel *kernel)
{
	_cleanup_free_ uint8_t *notes = NULL;
	int r;

	if (p->p_filesz > ELF_NOTES_MAX || !p->p_filesz)
		return 0;
	notes = malloc(p->p_filesz);
	if (!notes)
		return -ENOMEM;
	r = load_read(fd, p->p_offset, notes, p->p_filesz);
	if (r == 0)
		elf_read_notes(kernel, notes, p->p_filesz);
	return r;
}

static uint64_t elf_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static int elf_parse_segments(int fd, uint64_t size, const Elf64_Ehdr *h, struct elf_kernel *kernel,
			      struct err *err)
{
	Elf64_Phdr p[ELF_SEGMENTS_MAX];
	int r = load_read(fd, h->e_phoff, p, h->e_phnum * sizeof(*p));

	for (int i = 0; r == 0 && i < h->e_phnum; i++) {
		if (!elf_inside(p[i].p_offset, p[i].p_filesz, size))
			return err_set(err, -EINVAL,
				       "a segment lies outside of the file: truncated?");
		kernel->tail = elf_max(kernel->tail, p[i].p_offset + p[i].p_filesz);
		if (p[i].p_type == PT_LOAD && elf_add_segment(kernel, &p[i], err) < 0)
			return err->code;
	}
	if (r == 0 && !kernel->n)
		return err_set(err, -EINVAL, "it has nothing to load");
	/* an entry in them has to lie in a segment, so all segments come first */
	for (int i = 0; r == 0 && i < h->e_phnum; i++) {
		if (p[i].p_type == PT_NOTE)
			r = elf_parse_notes(fd, &p[i], kernel);
	}
	return r < 0 ? err_errno(err, r, "cannot read it") : 0;
}

int elf_parse(int fd, uint64_t size, struct elf_kernel *ret, struct err *err)
{
	struct elf_kernel kernel = { .n = 0 };
	Elf64_Ehdr h;
	int r;

	if (size < sizeof(h))
		return err_set(err, -EINVAL, "it is truncated");
	r = load_read(fd, 0, &h, sizeof(h));
	if (r < 0)
		return err_errno(err, r, "cannot read it");
	if (!elf_is(h.e_ident))
		return err_set(err, -EINVAL, "it is no ELF file");
	if (elf_check_header(&h, size, err) < 0)
		return err->code;
	kernel.tail = elf_max(sizeof(h), h.e_phoff + h.e_phnum * sizeof(Elf64_Phdr));
	if (h.e_shnum)
		kernel.tail = elf_max(kernel.tail, h.e_shoff + h.e_shnum * sizeof(Elf64_Shdr));
	if (elf_parse_segments(fd, size, &h, &kernel, err) < 0)
		return err->code;
	kernel.entry = elf_is_loaded(&kernel, h.e_entry) ? h.e_entry : 0;
	*ret = kernel;
	return 0;
}

int elf_load(struct ram *ram, int fd, const struct elf_kernel *kernel, uint64_t shift,
	     enum load_how how, struct err *err)
{
	for (size_t i = 0; i < kernel->n; i++) {
		const struct elf_segment *s = &kernel->segments[i];

		if (!ram_at(ram, s->gpa + shift, s->size))
			return err_set(err, -ENOMEM,
				       "the machine's memory is too small for it: it needs %ju MiB",
				       (uintmax_t)(kernel->end >> 20) + 1);
		if (load_file(ram, s->gpa + shift, fd, s->offset, s->file_size, how, err) < 0)
			return err->code;
	}
	return 0;
}
