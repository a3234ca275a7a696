// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/assignment.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void a_value_is_that_of_its_own_key(void **state _unused_)
{
	assert_string_equal(assignment_value("mtu=9000", "mtu"), "9000");
	assert_string_equal(assignment_value("ports=", "ports"), "");
	assert_string_equal(assignment_value("a=b=c", "a"), "b=c");
	assert_null(assignment_value("mtu", "mtu"));
	assert_null(assignment_value("mtus=1", "mtu"));
	assert_null(assignment_value("mt=1", "mtu"));
}

static const char *refusal(const char *text)
{
	static const char *const keys[] = { "nat", "internal", NULL };
	static struct err err;

	err = ERR_INIT;
	assert_int_equal(assignment_refuse(text, keys, &err), -EINVAL);
	return err.msg;
}

static void who_sets_nothing_hears_what_there_is(void **state _unused_)
{
	assert_non_null(strstr(refusal("nat"), "say KEY=VALUE"));
	assert_non_null(strstr(refusal("internl=yes"), "did you mean 'internal'?"));
	assert_non_null(strstr(refusal("colour=red"), "there are: nat, internal"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_that_of_its_own_key),
		cmocka_unit_test(who_sets_nothing_hears_what_there_is),
	};

	return cmocka_run_group_tests_name("base/assignment", tests, NULL, NULL);
}
