// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/mem/ram.h"
#include "vmm/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

static struct ram *make(uint64_t size, int shared)
{
	struct ram_options options = { .size = size, .shared = shared };
	struct err err = ERR_INIT;
	struct ram *ram = NULL;

	assert_int_equal(ram_new(&options, &ram, &err), 0);
	return ram;
}

static void an_address_is_good_only_with_all_of_its_length(void **state _unused_)
{
	struct ram *ram = make(4 * MIB, 0);

	assert_non_null(ram_at(ram, 0, 4 * MIB));
	assert_non_null(ram_at(ram, 4 * MIB - 1, 1));
	assert_null(ram_at(ram, 4 * MIB - 1, 2));
	assert_null(ram_at(ram, 4 * MIB, 1));
	assert_null(ram_at(ram, 0, 0));
	assert_null(ram_at(ram, UINT64_MAX, 2));
	assert_null(ram_at(ram, 8, UINT64_MAX));
	ram_free(ram);
}

static void large_memory_leaves_the_hole_below_4_gib(void **state _unused_)
{
	struct ram *ram = make(256 * GIB, 0);
	const struct ram_region *regions;

	assert_int_equal(ram_regions(ram, &regions), 2);
	assert_int_equal(ram_size(ram), 256 * GIB);
	assert_non_null(ram_at(ram, LAYOUT_LOW_END - 4, 4));
	assert_null(ram_at(ram, LAYOUT_LOW_END - 4, 5));
	assert_null(ram_at(ram, LAYOUT_PCI, 1));
	assert_null(ram_at(ram, LAYOUT_LAPIC, 4));
	assert_non_null(ram_at(ram, LAYOUT_HIGH_START, 4));
	assert_non_null(ram_at(ram, LAYOUT_HIGH_START + 253 * GIB - 1, 1));
	assert_null(ram_at(ram, LAYOUT_HIGH_START + 253 * GIB, 1));
	ram_free(ram);
}

static void copies_are_whole_or_not_at_all(void **state _unused_)
{
	struct ram *ram = make(2 * MIB, 0);
	char text[6] = "hello", back[6] = "";

	assert_int_equal(ram_write(ram, 2 * MIB - 5, text, 6), -EFAULT);
	assert_int_equal(ram_read(ram, 2 * MIB - 5, back, 5), 0);
	assert_string_equal(back, "");
	assert_int_equal(ram_write(ram, 100, text, 6), 0);
	assert_int_equal(ram_read(ram, 100, back, 6), 0);
	assert_string_equal(back, "hello");
	ram_free(ram);
}

static void a_mapped_file_is_not_changed_and_can_be_discarded(void **state _unused_)
{
	_cleanup_close_ int fd = memfd_create("kernel", MFD_CLOEXEC);
	struct ram *ram = make(2 * MIB, 0);
	char page[4096], back[4] = "";

	memset(page, 'k', sizeof(page));
	assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	assert_int_equal(ram_map_file(ram, 1 * MIB, fd, 0, 4096), 0);
	assert_int_equal(ram_map_file(ram, 1 * MIB + 1, fd, 0, 4096), -EINVAL);
	assert_int_equal(ram_map_file(ram, 2 * MIB, fd, 0, 4096), -EFAULT);
	assert_int_equal(ram_read(ram, 1 * MIB, back, 2), 0);
	assert_string_equal(back, "kk");
	assert_int_equal(ram_write(ram, 1 * MIB, "xx", 2), 0);
	assert_int_equal(pread(fd, back, 2, 0), 2);
	assert_string_equal(back, "kk");
	assert_int_equal(ram_discard(ram, 1 * MIB, 4096), 0);
	assert_int_equal(ram_read(ram, 1 * MIB, back, 2), 0);
	assert_int_equal(back[0], 0);
	ram_free(ram);
}

static void discarded_pages_read_as_zeroes(void **state _unused_)
{
	for (int shared = 0; shared < 2; shared++) {
		struct ram *ram = make(2 * MIB, shared);
		char byte = 'x';

		assert_int_equal(ram_fd(ram) >= 0, shared);
		assert_int_equal(ram_write(ram, 8192, &byte, 1), 0);
		assert_int_equal(ram_discard(ram, 8191, 4096), -EINVAL);
		assert_int_equal(ram_discard(ram, 8192, 4096), 0);
		assert_int_equal(ram_read(ram, 8192, &byte, 1), 0);
		assert_int_equal(byte, 0);
		ram_free(ram);
	}
}

static void an_odd_size_is_refused(void **state _unused_)
{
	struct ram_options options = { .size = MIB };
	struct err err = ERR_INIT;
	struct ram *ram = NULL;

	assert_int_equal(ram_new(&options, &ram, &err), -EINVAL);
	assert_null(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_good_only_with_all_of_its_length),
		cmocka_unit_test(large_memory_leaves_the_hole_below_4_gib),
		cmocka_unit_test(copies_are_whole_or_not_at_all),
		cmocka_unit_test(a_mapped_file_is_not_changed_and_can_be_discarded),
		cmocka_unit_test(discarded_pages_read_as_zeroes),
		cmocka_unit_test(an_odd_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
