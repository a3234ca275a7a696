// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/take.h"
#include "base/word.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void the_nearest_word_is_found_if_it_is_near(void **state _unused_)
{
	static const char *const words[] = { "start", "stop", "restart", "rm", NULL };

	assert_string_equal(word_nearest("strat", words), "start");
	assert_string_equal(word_nearest("stpo", words), "stop");
	assert_string_equal(word_nearest("resart", words), "restart");
	assert_null(word_nearest("inspect", words));
	assert_null(word_nearest("x", words));
	assert_null(word_nearest("start", (const char *const[]){ NULL }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearest_word_is_found_if_it_is_near),
	};

	return cmocka_run_group_tests_name("base/word", tests, NULL, NULL);
}
