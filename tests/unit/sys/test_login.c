// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/login.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <unistd.h>

static void root_has_a_name_and_a_home(void **state _unused_)
{
	_cleanup_login_ struct login login = { NULL };

	assert_int_equal(login_find(0, &login), 0);
	assert_string_equal(login.name, "root");
	assert_int_equal(login.home[0], '/');
}

static void nobody_has_heard_of_some(void **state _unused_)
{
	_cleanup_login_ struct login login = { NULL };

	assert_int_equal(login_find(4000000000U, &login), -ENOENT);
	assert_null(login.name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_has_a_name_and_a_home),
		cmocka_unit_test(nobody_has_heard_of_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
