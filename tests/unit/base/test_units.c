// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/units.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void sizes_are_read_in_binary_units(void **state _unused_)
{
	struct err err = ERR_INIT;
	int64_t bytes;

	assert_int_equal(units_parse_size("512m", &bytes, &err), 0);
	assert_int_equal(bytes, 512 << 20);
	assert_int_equal(units_parse_size("1.5GiB", &bytes, &err), 0);
	assert_int_equal(bytes, (int64_t)3 << 29);
	assert_int_equal(units_parse_size("4096", &bytes, &err), 0);
	assert_int_equal(bytes, 4096);
}

static void what_is_no_size_is_refused(void **state _unused_)
{
	static const char *const bad[] = {
		"",	      "m",  "-1",  "12q",  "1..5",
		"1.",	      " 1", "1 m", "0x10", "99999999999999999999",
		"9999999999t"
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		int64_t bytes = 77;

		assert_true(units_parse_size(bad[i], &bytes, &err) < 0);
		assert_true(err_is_set(&err));
		assert_int_equal(bytes, 77);
	}
}

static void signals_have_names_and_numbers(void **state _unused_)
{
	struct err err = ERR_INIT;
	int number;

	assert_int_equal(units_parse_signal("TERM", &number, &err), 0);
	assert_int_equal(number, SIGTERM);
	assert_int_equal(units_parse_signal("sigkill", &number, &err), 0);
	assert_int_equal(number, SIGKILL);
	assert_int_equal(units_parse_signal("SIGRTMIN+3", &number, &err), 0);
	assert_int_equal(number, SIGRTMIN + 3);
	assert_int_equal(units_parse_signal("9", &number, &err), 0);
	assert_int_equal(number, 9);
	assert_true(units_parse_signal("0", &number, &err) < 0);
	assert_true(units_parse_signal("NOPE", &number, &err) < 0);
	assert_true(units_parse_signal("RTMIN+99", &number, &err) < 0);
}

static void times_are_absolute_or_before_now(void **state _unused_)
{
	struct err err = ERR_INIT;
	int64_t ns;

	assert_int_equal(units_parse_time("2026-01-31T10:00:00Z", 0, &ns, &err), 0);
	assert_int_equal(ns, INT64_C(1769853600000000000));
	assert_int_equal(units_parse_time("2026-01-31T12:00:00+02:00", 0, &ns, &err), 0);
	assert_int_equal(ns, INT64_C(1769853600000000000));
	assert_int_equal(units_parse_time("10s", INT64_C(20000000000), &ns, &err), 0);
	assert_int_equal(ns, INT64_C(10000000000));
	assert_true(units_parse_time("yesterday", 0, &ns, &err) < 0);
}

static void sizes_are_shown_with_three_digits(void **state _unused_)
{
	char text[UNITS_TEXT_MAX];

	assert_string_equal(units_format_size(0, text), "0");
	assert_string_equal(units_format_size(1536, text), "1.5K");
	assert_string_equal(units_format_size(200 << 20, text), "200M");
	assert_string_equal(units_format_size(1023 << 10, text), "1.0M");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_read_in_binary_units),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(signals_have_names_and_numbers),
		cmocka_unit_test(times_are_absolute_or_before_now),
		cmocka_unit_test(sizes_are_shown_with_three_digits),
	};

	return cmocka_run_group_tests_name("base/units", tests, NULL, NULL);
}
