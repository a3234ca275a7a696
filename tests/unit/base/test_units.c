// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
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

static void rates_are_decimal_bits_and_have_a_unit(void **state _unused_)
{
	static const char *const bad[] = { "",	   "100",  "100m",	     "1.5",
					   "10mb", "mbit", "99999999999gbit" };
	struct err err = ERR_INIT;
	int64_t bits;

	assert_int_equal(units_parse_rate("100mbit", &bits, &err), 0);
	assert_int_equal(bits, 100000000);
	assert_int_equal(units_parse_rate("1.5Gbit", &bits, &err), 0);
	assert_int_equal(bits, 1500000000);
	assert_int_equal(units_parse_rate("64kbit", &bits, &err), 0);
	assert_int_equal(bits, 64000);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(units_parse_rate(bad[i], &bits, &err) < 0);
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
	assert_int_equal(units_parse_time("2026-01-31", 0, &ns, &err), 0);
	assert_int_equal(ns, INT64_C(1769817600000000000));
	assert_int_equal(units_parse_time("1969-12-31", 0, &ns, &err), 0);
	assert_int_equal(ns, INT64_C(-86400000000000));
	assert_true(units_parse_time("yesterday", 0, &ns, &err) < 0);
}

static void times_that_nanoseconds_cannot_count_are_refused(void **state _unused_)
{
	static const char *const bad[] = {
		"9999-01-01",		"0001-01-01",  "2263-01-01", "2026-01-31T",
		"2026-01-31T10:00:00+", "2026-01-31x", "",	     "2026-01-31T10:00:00+99:99:99"
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		int64_t ns = 77;

		if (units_parse_time(bad[i], 0, &ns, &err) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(ns, 77);
	}
}

static void durations_and_counts_are_bounded(void **state _unused_)
{
	struct err err = ERR_INIT;
	int64_t value = 77;

	assert_int_equal(units_parse_duration("500ms", &value, &err), 0);
	assert_int_equal(value, 500);
	assert_int_equal(units_parse_duration("1.5h", &value, &err), 0);
	assert_int_equal(value, 5400000);
	assert_true(units_parse_duration("99999999999999999d", &value, &err) < 0);
	assert_int_equal(units_parse_int("9223372036854775807", 0, INT64_MAX, &value, &err), 0);
	assert_true(value == INT64_MAX);
	assert_true(units_parse_int("9223372036854775808", 0, INT64_MAX, &value, &err) < 0);
	assert_true(units_parse_int("+1", 0, 5, &value, &err) < 0);
	assert_true(units_parse_int("0x1", 0, 5, &value, &err) < 0);
	assert_int_equal(units_parse_milli("1.5", &value, &err), 0);
	assert_int_equal(value, 1500);
}

static void ages_and_times_are_shown_short_and_whole(void **state _unused_)
{
	char text[UNITS_TEXT_MAX];

	assert_string_equal(units_format_age(INT64_C(119) * 1000000000, text), "119s");
	assert_string_equal(units_format_age(INT64_C(180) * 1000000000, text), "3m");
	assert_string_equal(units_format_age(INT64_C(86400) * 3 * 1000000000, text), "3d");
	assert_string_equal(units_format_age(-1, text), "0s");
	assert_string_equal(units_format_time(INT64_C(1769853600000000001), text),
			    "2026-01-31T10:00:00.000000001Z");
}

/* INT64_MIN to INT64_MAX nanoseconds are the years 1677 to 2262. */
static void every_day_has_the_date_that_the_c_library_says(void **state _unused_)
{
	const int64_t day = INT64_C(86400) * 1000000000;

	for (int64_t i = -106751; i <= 106750; i++) {
		int64_t ns = i * day + INT64_C(45296) * 1000000000 + 789;
		time_t second = (time_t)(i * 86400 + 45296);
		char text[UNITS_TEXT_MAX], want[UNITS_TEXT_MAX];
		struct tm tm;

		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000000789Z",
			 gmtime_r(&second, &tm));
		assert_string_equal(units_format_time(ns, text), want);
	}
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
		cmocka_unit_test(rates_are_decimal_bits_and_have_a_unit),
		cmocka_unit_test(times_are_absolute_or_before_now),
		cmocka_unit_test(times_that_nanoseconds_cannot_count_are_refused),
		cmocka_unit_test(durations_and_counts_are_bounded),
		cmocka_unit_test(ages_and_times_are_shown_short_and_whole),
		cmocka_unit_test(every_day_has_the_date_that_the_c_library_says),
		cmocka_unit_test(sizes_are_shown_with_three_digits),
	};

	return cmocka_run_group_tests_name("base/units", tests, NULL, NULL);
}
