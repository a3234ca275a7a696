// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void an_error_holds_its_cause_and_grows_outwards(void **state _unused_)
{
	struct err err = ERR_INIT;

	assert_false(err_is_set(&err));
	assert_int_equal(err_errno(&err, -ENOENT, "cannot open %s", "x"), -ENOENT);
	assert_int_equal(err_wrap(&err, "starting '%s'", "web"), -ENOENT);
	assert_string_equal(err.msg, "starting 'web': cannot open x: No such file or directory");
	assert_int_equal(err.exit_status, 125);
	assert_int_equal(err_set(&err, 0, "odd"), -EIO);
}

static void the_workloads_exit_status_survives_wrapping(void **state _unused_)
{
	struct err err = ERR_INIT;

	err_set(&err, -ENOENT, "no such program");
	err.exit_status = 127;
	err_wrap(&err, "exec");
	assert_int_equal(err.exit_status, 127);
}

static void long_messages_are_cut(void **state _unused_)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < 100; i++)
		err_wrap(&err, "0123456789");
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_holds_its_cause_and_grows_outwards),
		cmocka_unit_test(the_workloads_exit_status_survives_wrapping),
		cmocka_unit_test(long_messages_are_cut),
	};

	return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
