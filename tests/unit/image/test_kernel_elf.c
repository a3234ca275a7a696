// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/kernel_elf.h"
#include "base/mem.h"
#include "kernel_fixture.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static Elf64_Ehdr *header(char *elf)
{
	return (Elf64_Ehdr *)(void *)elf;
}

static Elf64_Phdr *segment(char *elf, int i)
{
	return (Elf64_Phdr *)(void *)(elf + sizeof(Elf64_Ehdr)) + i;
}

/* Checks a kernel after spoil() has spoiled it. */
static void refuses(void (*spoil)(char *elf), int code, const char *why)
{
	struct err err = ERR_INIT;
	size_t len;
	_cleanup_free_ char *elf = fixture_elf("6.1", &len);

	spoil(elf);
	assert_int_equal(kernel_elf_check(elf, len, &err), code);
	assert_non_null(strstr(err.msg, why));
}

static void spoil_class(char *elf)
{
	header(elf)->e_ident[EI_CLASS] = ELFCLASS32;
}

static void spoil_machine(char *elf)
{
	header(elf)->e_machine = EM_AARCH64;
}

static void spoil_table(char *elf)
{
	header(elf)->e_phoff = UINT64_MAX - 8;
}

static void spoil_count(char *elf)
{
	header(elf)->e_phnum = 0xffff;
}

static void spoil_sections(char *elf)
{
	header(elf)->e_shnum = 3;
	header(elf)->e_shentsize = sizeof(Elf64_Shdr);
	header(elf)->e_shoff = UINT64_MAX;
}

static void spoil_offset(char *elf)
{
	segment(elf, 0)->p_offset = UINT64_MAX;
}

static void spoil_filesz(char *elf)
{
	segment(elf, 0)->p_filesz = UINT64_MAX;
}

static void spoil_memsz(char *elf)
{
	segment(elf, 0)->p_memsz = 1;
}

static void spoil_address(char *elf)
{
	segment(elf, 0)->p_paddr = UINT64_MAX - 100;
}

static void spoil_type(char *elf)
{
	segment(elf, 0)->p_type = PT_NULL;
}

static void spoil_overlap(char *elf)
{
	*segment(elf, 1) = *segment(elf, 0);
	segment(elf, 1)->p_paddr += 100;
}

static void spoil_note(char *elf)
{
	segment(elf, 1)->p_type = PT_NULL;
}

static void spoil_note_size(char *elf)
{
	Elf64_Nhdr *note = (Elf64_Nhdr *)(void *)(elf + segment(elf, 1)->p_offset);

	note->n_descsz = UINT32_MAX;
}

static void spoil_entry(char *elf)
{
	memset(elf + segment(elf, 1)->p_offset + 16, 0x7f, 8);
}

static void a_kernel_with_a_pvh_entry_is_taken(void **state _unused_)
{
	struct err err = ERR_INIT;
	size_t len;
	_cleanup_free_ char *elf = fixture_elf("6.1", &len);

	assert_int_equal(kernel_elf_check(elf, len, &err), 0);
}

static void a_wrong_header_is_refused(void **state _unused_)
{
	refuses(spoil_class, -EINVAL, "64-bit");
	refuses(spoil_machine, -EINVAL, "64-bit");
	refuses(spoil_table, -EINVAL, "ELF header");
	refuses(spoil_count, -EINVAL, "ELF header");
	refuses(spoil_sections, -EINVAL, "section table");
}

static void a_wrong_segment_is_refused(void **state _unused_)
{
	refuses(spoil_offset, -EINVAL, "outside of the file");
	refuses(spoil_filesz, -EINVAL, "outside of the file");
	refuses(spoil_memsz, -EINVAL, "impossible");
	refuses(spoil_address, -EINVAL, "impossible");
	refuses(spoil_type, -EINVAL, "nothing to load");
	refuses(spoil_overlap, -EINVAL, "overlap");
}

static void a_kernel_without_a_usable_pvh_entry_is_refused(void **state _unused_)
{
	refuses(spoil_note, -EOPNOTSUPP, "CONFIG_PVH");
	refuses(spoil_note_size, -EOPNOTSUPP, "CONFIG_PVH");
	refuses(spoil_entry, -EINVAL, "outside of it");
}

static void a_truncated_file_is_refused(void **state _unused_)
{
	size_t len;
	_cleanup_free_ char *elf = fixture_elf("6.1", &len);

	for (size_t n = 0; n < len; n++) {
		struct err err = ERR_INIT;

		assert_int_equal(kernel_elf_check(elf, n, &err), -EINVAL);
	}
}

static void the_banner_tells_the_release(void **state _unused_)
{
	char release[BZIMAGE_RELEASE_MAX + 1],
		text[] = "Linux version %s ..Linux version 6.2-x (me)";
	struct err err = ERR_INIT;

	assert_int_equal(kernel_elf_release(text, strlen(text), release, &err), 0);
	assert_string_equal(release, "6.2-x");
	assert_int_equal(kernel_elf_release(text, 20, release, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "which release"));
}

/* A kernel with room for a segment of some pages and, if it has one, the section table behind them. */
static char *kernel_with_zeroes(size_t used, size_t file_size, int sections, size_t *ret_len)
{
	size_t len, text;
	_cleanup_free_ char *small = fixture_elf("6.1", &len);
	char *elf;

	text = segment(small, 0)->p_offset;
	elf = mem_zalloc(text + file_size + sizeof(Elf64_Shdr));
	memcpy(elf, small, len);
	segment(elf, 0)->p_filesz = file_size;
	segment(elf, 0)->p_memsz = file_size + 100;
	elf[text + used - 1] = 1;
	if (sections) {
		header(elf)->e_shnum = 1;
		header(elf)->e_shentsize = sizeof(Elf64_Shdr);
		header(elf)->e_shoff = text + file_size;
	}
	*ret_len = text + file_size + sizeof(Elf64_Shdr);
	return elf;
}

static void ends_at(size_t used, size_t file_size, int sections, size_t expected)
{
	struct err err = ERR_INIT;
	size_t len;
	_cleanup_free_ char *elf = kernel_with_zeroes(used, file_size, sections, &len);

	assert_int_equal(kernel_elf_check(elf, len, &err), 0);
	kernel_elf_trim(elf);
	assert_int_equal(segment(elf, 0)->p_filesz, expected);
	assert_int_equal(segment(elf, 0)->p_memsz, file_size + 100);
	assert_int_equal(kernel_elf_check(elf, len, &err), 0);
}

static void zeroes_at_a_segments_end_are_not_read(void **state _unused_)
{
	ends_at(5000, 40000, 1, 8192);
	ends_at(8192, 40000, 1, 8192);
	ends_at(8193, 40000, 1, 12288);
	ends_at(40000, 40000, 1, 40000);
	ends_at(39000, 40000, 1, 40000);
	ends_at(5000, 40000, 0, 40000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_with_a_pvh_entry_is_taken),
		cmocka_unit_test(a_wrong_header_is_refused),
		cmocka_unit_test(a_wrong_segment_is_refused),
		cmocka_unit_test(a_kernel_without_a_usable_pvh_entry_is_refused),
		cmocka_unit_test(a_truncated_file_is_refused),
		cmocka_unit_test(zeroes_at_a_segments_end_are_not_read),
		cmocka_unit_test(the_banner_tells_the_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
