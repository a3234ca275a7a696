// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void good_names_pass(void **state _unused_)
{
	static const char *const good[] = {
		"a",	 "7",	"web-1",
		"A_b.c", "x--", "a23456789012345678901234567890123456789012345678901234567890123"
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(name_check("instance", good[i], &err), 0);
		assert_false(err_is_set(&err));
	}
}

static void names_that_would_leave_their_folder_or_confuse_a_tool_do_not(void **state _unused_)
{
	static const char *const bad[] = {
		"",	    ".",
		"..",	    "-f",
		"_x",	    "a/b",
		"../x",	    "a b",
		"a\n",	    "a:b",
		"\xc3\xa9", "a\x01",
		"x*",	    "~",
		"a\xff",    "a234567890123456789012345678901234567890123456789012345678901234"
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;

		if (name_check("kernel", bad[i], &err) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		assert_non_null(strstr(err.msg, "kernel name"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_names_pass),
		cmocka_unit_test(names_that_would_leave_their_folder_or_confuse_a_tool_do_not),
	};

	return cmocka_run_group_tests_name("base/name", tests, NULL, NULL);
}
