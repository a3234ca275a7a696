// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/elf.h"
#include "made_kernel.h"

static struct made_kernel made;
static struct elf_kernel elf;

static int parse(size_t len)
{
	struct err err = ERR_INIT;
	int fd = made_file(&made, len), r;

	memset(&elf, 0, sizeof(elf));
	r = elf_parse(fd, len, &elf, &err);
	assert_int_equal(r < 0, err_is_set(&err));
	fd_close(fd);
	return r;
}

static void a_kernel_says_where_it_goes_and_starts(void **state _unused_)
{
	made_init(&made);
	assert_int_equal(parse(MADE_END), 0);
	assert_int_equal(elf.n, 2);
	assert_int_equal(elf.start, MADE_START);
	assert_int_equal(elf.end, MADE_START + MADE_SIZE);
	assert_int_equal(elf.entry, MADE_START);
	assert_int_equal(elf.pvh, MADE_PVH);
	assert_int_equal(elf.tail, MADE_END);
	assert_true(elf.is_linux);
	made_other(&made);
	assert_int_equal(parse(MADE_END), 0);
	assert_false(elf.is_linux);
}

static void the_section_table_is_part_of_the_file(void **state _unused_)
{
	made_init(&made);
	made.header.e_shoff = MADE_END;
	made.header.e_shnum = 1;
	made.header.e_shentsize = sizeof(Elf64_Shdr);
	assert_int_equal(parse(MADE_END), -EINVAL);
	assert_int_equal(parse(MADE_END + sizeof(Elf64_Shdr)), 0);
	assert_int_equal(elf.tail, MADE_END + sizeof(Elf64_Shdr));
}

static void entries_outside_of_the_kernel_do_not_count(void **state _unused_)
{
	made_init(&made);
	made.header.e_entry = MADE_START + MADE_TEXT_SIZE;
	made_notes(&made)->second_value = (uint32_t)MADE_START - 1;
	assert_int_equal(parse(MADE_END), 0);
	assert_int_equal(elf.entry, 0);
	assert_int_equal(elf.pvh, 0);
}

/* One wrong byte or number each. */
static const struct wrong {
	size_t at, len;
	uint64_t value;
} wrongs[] = {
	{ EI_MAG0, 1, 'x' },
	{ EI_CLASS, 1, ELFCLASS32 },
	{ EI_DATA, 1, ELFDATA2MSB },
	{ offsetof(Elf64_Ehdr, e_machine), 2, EM_AARCH64 },
	{ offsetof(Elf64_Ehdr, e_type), 2, ET_REL },
	{ offsetof(Elf64_Ehdr, e_phentsize), 2, 32 },
	{ offsetof(Elf64_Ehdr, e_phnum), 2, 0 },
	{ offsetof(Elf64_Ehdr, e_phnum), 2, ELF_SEGMENTS_MAX + 1 },
	{ offsetof(Elf64_Ehdr, e_phoff), 8, UINT64_MAX - 8 },
	{ offsetof(struct made_kernel, segments[0].p_offset), 8, UINT64_MAX },
	{ offsetof(struct made_kernel, segments[0].p_filesz), 8, UINT64_MAX },
	{ offsetof(struct made_kernel, segments[0].p_filesz), 8, 0x2001 },
	{ offsetof(struct made_kernel, segments[0].p_paddr), 8, 0x7000 },
	{ offsetof(struct made_kernel, segments[0].p_paddr), 8, UINT64_MAX - 0x1000 },
	{ offsetof(struct made_kernel, segments[0].p_paddr), 8, MADE_SECOND - 0x1fff },
	{ offsetof(struct made_kernel, segments[0].p_memsz), 8, UINT64_MAX - 0x1000 },
	{ offsetof(struct made_kernel, segments[1].p_paddr), 8, MADE_START },
	{ offsetof(struct made_kernel, segments[1].p_memsz), 8, UINT32_MAX },
	{ offsetof(struct made_kernel, segments[2].p_offset), 8, MADE_END },
};

static void what_is_wrong_is_refused(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
		made_init(&made);
		memcpy((uint8_t *)&made + wrongs[i].at, &wrongs[i].value, wrongs[i].len);
		assert_int_equal(parse(MADE_END), -EINVAL);
	}
	made_init(&made);
	for (size_t len = 0; len < MADE_END; len += 63)
		assert_int_equal(parse(len), -EINVAL);
	made.segments[0].p_type = made.segments[1].p_type = PT_NULL;
	assert_int_equal(parse(MADE_END), -EINVAL);
}

static void wrong_notes_are_no_notes(void **state _unused_)
{
	made_init(&made);
	made_notes(&made)->first.n_namesz = UINT32_MAX;
	assert_int_equal(parse(MADE_END), 0);
	assert_false(elf.is_linux);
	made_init(&made);
	made_notes(&made)->second.n_descsz = UINT32_MAX - 1;
	assert_int_equal(parse(MADE_END), 0);
	assert_true(elf.is_linux);
	assert_int_equal(elf.pvh, 0);
}

static void segments_are_loaded_and_the_rest_is_zero(void **state _unused_)
{
	struct err err = ERR_INIT;
	int fd;

	for (int shared = 0; shared < 2; shared++) {
		struct ram *ram = made_ram(64 * MIB, shared);

		made_init(&made);
		made.segments[0].p_offset++; /* so that its pages cannot be mapped */
		assert_int_equal(parse(MADE_END), 0);
		fd = made_file(&made, MADE_END);
		assert_int_equal(elf_load(ram, fd, &elf, 0x400000, LOAD_MAP, &err), 0);
		assert_int_equal(made_read(ram, MADE_START + 0x400000 - 1, 1), 0);
		assert_int_equal(made_read(ram, MADE_START + 0x400000, 4), 0x74747474);
		assert_int_equal(made_read(ram, MADE_START + 0x400000 + MADE_TEXT_SIZE - 2, 4),
				 't');
		assert_int_equal(made_read(ram, MADE_SECOND + 0x400000 + 0xfff, 2), 'd');
		assert_int_equal(made_read(ram, MADE_SECOND + 0x400000 + 0x4ff8, 8), 0);
		fd_close(fd);
		ram_free(ram);
	}
}

static void too_little_memory_is_refused(void **state _unused_)
{
	struct ram *ram = made_ram(18 * MIB, 0);
	struct err err = ERR_INIT;
	int fd;

	made_init(&made);
	assert_int_equal(parse(MADE_END), 0);
	fd = made_file(&made, MADE_END);
	assert_int_equal(elf_load(ram, fd, &elf, 0, LOAD_MAP, &err), -ENOMEM);
	assert_non_null(strstr(err.msg, "19 MiB"));
	fd_close(fd);
	ram_free(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_says_where_it_goes_and_starts),
		cmocka_unit_test(the_section_table_is_part_of_the_file),
		cmocka_unit_test(entries_outside_of_the_kernel_do_not_count),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(wrong_notes_are_no_notes),
		cmocka_unit_test(segments_are_loaded_and_the_rest_is_zero),
		cmocka_unit_test(too_little_memory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
