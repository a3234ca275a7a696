// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/load.h"
#include "made_kernel.h"

#define FILE_SIZE (5 * 4096 + 100)

static uint8_t bytes[FILE_SIZE];

static int make(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i % 251 + 1);
	return made_file(bytes, sizeof(bytes));
}

/* At each offset of a page in the file and in memory, with and without whole pages in between. */
static void a_file_s_bytes_are_where_they_belong(void **state _unused_)
{
	static const uint64_t offsets[] = { 0, 1, 4095, 4096 }, places[] = { 0, 1, 4095, 4096 },
			      lens[] = { 0, 1, 100, 4095, 4096, 4097, 8191, 12345 };
	_cleanup_close_ int fd = make();

	for (size_t i = 0; i < 256; i++) {
		uint64_t offset = offsets[i % 4], gpa = MIB + places[i / 4 % 4],
			 len = lens[i / 16 % 8];
		struct ram *ram = made_ram(2 * MIB, (int)(i / 128));
		struct err err = ERR_INIT;

		assert_int_equal(load_file(ram, gpa, fd, offset, len, LOAD_MAP, &err), 0);
		if (len)
			assert_memory_equal(ram_at(ram, gpa, len), bytes + offset, len);
		assert_int_equal(made_read(ram, gpa - 1, 1), 0);
		assert_int_equal(made_read(ram, gpa + len, 8), 0);
		ram_free(ram);
	}
}

static void what_the_guest_writes_stays_its_own(void **state _unused_)
{
	_cleanup_close_ int fd = make();
	struct ram *ram = made_ram(2 * MIB, 0);
	struct err err = ERR_INIT;
	char byte = 0;

	assert_int_equal(load_file(ram, MIB, fd, 0, FILE_SIZE, LOAD_MAP, &err), 0);
	memset(ram_at(ram, MIB, FILE_SIZE), 0, FILE_SIZE);
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 1);
	ram_free(ram);
}

/* Who maps the memory's file would not see a mapping over it. */
static void shared_memory_gets_copies(void **state _unused_)
{
	_cleanup_close_ int fd = make();
	struct ram *ram = made_ram(2 * MIB, 1);
	struct err err = ERR_INIT;
	uint8_t back[4096];

	assert_int_equal(load_file(ram, MIB, fd, 0, FILE_SIZE, LOAD_MAP, &err), 0);
	assert_int_equal(pread(ram_fd(ram), back, sizeof(back), (off_t)MIB), sizeof(back));
	assert_memory_equal(back, bytes, sizeof(back));
	ram_free(ram);
}

static void what_does_not_fit_is_refused(void **state _unused_)
{
	_cleanup_close_ int fd = make();
	struct ram *ram = made_ram(2 * MIB, 0);
	struct err err = ERR_INIT;

	assert_int_equal(load_file(ram, 2 * MIB - 4096, fd, 0, 4097, LOAD_MAP, &err), -EFAULT);
	assert_true(err_is_set(&err));
	err = ERR_INIT;
	assert_int_equal(load_file(ram, MIB + 1, fd, 0, FILE_SIZE + 1, LOAD_MAP, &err), -EIO);
	ram_free(ram);
}

static void only_regular_files_have_a_size(void **state _unused_)
{
	_cleanup_close_ int fd = make();
	struct err err = ERR_INIT;
	uint64_t size = 0;
	int pipes[2];

	assert_int_equal(load_size(fd, &size, &err), 0);
	assert_int_equal(size, FILE_SIZE);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(load_size(pipes[0], &size, &err), -EINVAL);
	fd_close(pipes[0]);
	fd_close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_s_bytes_are_where_they_belong),
		cmocka_unit_test(what_the_guest_writes_stays_its_own),
		cmocka_unit_test(shared_memory_gets_copies),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(only_regular_files_have_a_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
