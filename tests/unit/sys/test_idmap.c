// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/idmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void the_line_of_a_user_is_found(void **state)
{
	uint32_t first = 0;

	(void)state;
	assert_int_equal(idmap_find("a:100000:65536\nbrig:500000:65536\n", "brig", 65536, &first),
			 0);
	assert_int_equal(first, 500000);
	assert_int_equal(idmap_find("brig:1:10\nbrig:200000:70000", "brig", 65536, &first), 0);
	assert_int_equal(first, 200000);
}

static void lines_that_give_no_whole_range_are_passed_over(void **state)
{
	static const char *const bad[] = {
		"",
		"brig",
		"brig:",
		"brig:1",
		"brig:100000:65535", /* too few */
		"brig:0:65536",	     /* would be the host's root */
		"brig:-5:65536",
		"brig:100000:65536x",
		"brig:4294967295:65536", /* would go round */
		"brig:4294960000:70000",
		"bri:100000:65536",
		"brigg:100000:65536",
		" brig:100000:65536",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t first = 7;

		assert_true(idmap_find(bad[i], "brig", 65536, &first) < 0);
		assert_int_equal(first, 7);
	}
}

static void a_host_always_has_a_range_that_is_not_its_own(void **state)
{
	struct idmap map = { 0 };

	(void)state;
	idmap_of_host(&map);
	assert_int_equal(map.count, 65536);
	assert_true(map.uid > 0 && map.gid > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_of_a_user_is_found),
		cmocka_unit_test(lines_that_give_no_whole_range_are_passed_over),
		cmocka_unit_test(a_host_always_has_a_range_that_is_not_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
