// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/throttle.h"
#include "base/strv.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void a_rate_is_of_a_device_or_of_ones_own(void **state _unused_)
{
	_cleanup_free_ char *device = NULL, *none = NULL;
	struct err err = ERR_INIT;
	int64_t rate = 0;

	assert_int_equal(throttle_parse("/dev/sda:10m", THROTTLE_BYTES, &device, &rate, &err), 0);
	assert_string_equal(device, "/dev/sda");
	assert_int_equal(rate, 10 << 20);
	assert_int_equal(throttle_parse("100", THROTTLE_OPERATIONS, &none, &rate, &err), 0);
	assert_null(none);
	assert_int_equal(rate, 100);
}

static void what_is_no_rate_is_refused(void **state _unused_)
{
	static const char *const wrong[] = {
		"", ":", "0", "x", "sda:1", "/dev/sda:", "/dev/sda:0"
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char *device = NULL;
		struct err err = ERR_INIT;
		int64_t rate;

		assert_true(throttle_parse(wrong[i], THROTTLE_BYTES, &device, &rate, &err) < 0);
		assert_null(device);
	}
}

static void the_last_without_a_device_counts(void **state _unused_)
{
	_cleanup_strv_ char **list = strv_split("1,/dev/sda:2,3", ",");

	assert_int_equal(throttle_own(list, THROTTLE_OPERATIONS), 3);
	assert_int_equal(throttle_own(list + 1, THROTTLE_OPERATIONS), 3);
	free(list[2]);
	list[2] = NULL;
	assert_int_equal(throttle_own(list + 1, THROTTLE_OPERATIONS), 0);
	assert_int_equal(throttle_own(NULL, THROTTLE_BYTES), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_is_of_a_device_or_of_ones_own),
		cmocka_unit_test(what_is_no_rate_is_refused),
		cmocka_unit_test(the_last_without_a_device_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
