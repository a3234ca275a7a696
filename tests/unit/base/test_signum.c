// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/signum.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void signals_have_names_and_numbers(void **state _unused_)
{
	struct err err = ERR_INIT;
	int number;

	assert_int_equal(signum_parse("TERM", &number, &err), 0);
	assert_int_equal(number, SIGTERM);
	assert_int_equal(signum_parse("sigkill", &number, &err), 0);
	assert_int_equal(number, SIGKILL);
	assert_int_equal(signum_parse("SIGRTMIN+3", &number, &err), 0);
	assert_int_equal(number, SIGRTMIN + 3);
	assert_int_equal(signum_parse("9", &number, &err), 0);
	assert_int_equal(number, 9);
	assert_true(signum_parse("0", &number, &err) < 0);
	assert_true(signum_parse("NOPE", &number, &err) < 0);
	assert_true(signum_parse("RTMIN+99", &number, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_have_names_and_numbers),
	};

	return cmocka_run_group_tests_name("base/signum", tests, NULL, NULL);
}
