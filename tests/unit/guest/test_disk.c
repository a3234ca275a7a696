// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void serial_numbers_say_what_a_disk_is(void **state _unused_)
{
	assert_int_equal(disk_place("layer0", 3), 0);
	assert_int_equal(disk_place("layer2", 3), 2);
	assert_int_equal(disk_place("layer12", 13), 12);
	assert_int_equal(disk_place("data", 3), 3);
}

static void other_disks_are_left_alone(void **state _unused_)
{
	static const char *const others[] = {
		"",	   "layer",   "layer3",	 "layer00",
		"layer01", "layer-1", "layer1x", "layer99999999999999999999",
		"data1",   "Data",    "ST1000"
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(disk_place(others[i], 3), -1);
}

static void a_number_of_layers_that_cannot_be_is_refused(void **state _unused_)
{
	struct err err = ERR_INIT;

	assert_int_equal(disk_mount(0, 0, -1, 0, &err), -EINVAL);
	assert_int_equal(disk_mount(DISK_LAYERS_MAX + 1, 0, -1, 0, &err), -EINVAL);
}

static void put(uint8_t *super, size_t at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		super[at + (size_t)i] = (uint8_t)(value >> 8 * i);
}

static void a_file_system_grows_to_what_its_disk_has(void **state _unused_)
{
	uint8_t super[1024] = { 0 };

	put(super, 0x4, 768);
	put(super, 0x18, 2); /* blocks of 4096 */
	assert_int_equal(disk_blocks_more(super, 768 * UINT64_C(4096)), 0);
	assert_int_equal(disk_blocks_more(super, 768 * UINT64_C(4096) + 4095), 0);
	assert_int_equal(disk_blocks_more(super, 767 * UINT64_C(4096)), 0);
	assert_int_equal(disk_blocks_more(super, 1024 * UINT64_C(4096)), 1024);
	assert_int_equal(disk_blocks_more(super, UINT64_C(32) << 40), UINT64_C(8) << 30);
	put(super, 0x150, 1);
	assert_int_equal(disk_blocks_more(super, 1024 * UINT64_C(4096)), 0);
	put(super, 0x18, UINT32_MAX);
	assert_int_equal(disk_blocks_more(super, UINT64_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serial_numbers_say_what_a_disk_is),
		cmocka_unit_test(other_disks_are_left_alone),
		cmocka_unit_test(a_file_system_grows_to_what_its_disk_has),
		cmocka_unit_test(a_number_of_layers_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests_name("guest/disk", tests, NULL, NULL);
}
