// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/meminfo.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void a_line_is_found_and_in_bytes(void **state _unused_)
{
	static const char host[] = "MemTotal:       24654908 kB\nMemFree:               7 kB\n";
	static const char node[] = "Node 0 MemTotal:       2 kB\nNode 0 MemFree:        1 kB\n";

	assert_int_equal(meminfo_bytes(host, "MemTotal"), 24654908L << 10);
	assert_int_equal(meminfo_bytes(host, "MemFree"), 7168);
	assert_int_equal(meminfo_bytes(node, "MemFree"), 1024);
}

static void what_is_not_there_or_no_number_is_unknown(void **state _unused_)
{
	assert_int_equal(meminfo_bytes("MemTotal: 1 kB\n", "MemAvailable"), -1);
	assert_int_equal(meminfo_bytes("MemTotal: much\n", "MemTotal"), -1);
	assert_int_equal(meminfo_bytes("MemTotal:", "MemTotal"), -1);
	assert_int_equal(meminfo_bytes("MemTotal: 99999999999999999999 kB\n", "MemTotal"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_found_and_in_bytes),
		cmocka_unit_test(what_is_not_there_or_no_number_is_unknown),
	};

	return cmocka_run_group_tests_name("base/meminfo", tests, NULL, NULL);
}
