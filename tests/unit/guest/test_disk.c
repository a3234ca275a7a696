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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serial_numbers_say_what_a_disk_is),
		cmocka_unit_test(other_disks_are_left_alone),
		cmocka_unit_test(a_number_of_layers_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests_name("guest/disk", tests, NULL, NULL);
}
