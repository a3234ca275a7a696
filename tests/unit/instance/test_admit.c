// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/admit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define MIB INT64_C(1048576)
#define GIB (1024 * MIB)

static void one_promise_too_many_is_refused_with_figures(void **state _unused_)
{
	struct err err = ERR_INIT;

	/* a sixteenth is the host's */
	assert_int_equal(admit_check(8 * GIB, 7 * GIB, "web", 512 * MIB, &err), 0);
	assert_int_equal(admit_check(8 * GIB, 7 * GIB, "web", 513 * MIB, &err), -ENOMEM);
	assert_non_null(strstr(err.msg, "513M"));
	assert_non_null(strstr(err.msg, "7.0G"));
	assert_non_null(strstr(err.msg, "8.0G"));
	assert_non_null(strstr(err.msg, "--overcommit"));
}

static void a_small_host_keeps_a_quarter_of_a_gib(void **state _unused_)
{
	struct err err = ERR_INIT;

	assert_int_equal(admit_check(1 * GIB, 0, "web", 768 * MIB, &err), 0);
	assert_int_equal(admit_check(1 * GIB, 0, "web", 769 * MIB, &err), -ENOMEM);
	err = ERR_INIT;
	assert_int_equal(admit_check(128 * MIB, 0, "web", 1, &err), -ENOMEM);
}

static void who_was_promised_nothing_always_starts(void **state _unused_)
{
	struct err err = ERR_INIT;

	assert_int_equal(admit_check(8 * GIB, 9 * GIB, "web", 0, &err), 0);
	assert_int_equal(admit_check(8 * GIB, 9 * GIB, "web", 1, &err), -ENOMEM);
	err = ERR_INIT;
	assert_int_equal(admit_check(8 * GIB, INT64_MAX, "web", INT64_MAX, &err), -ENOMEM);
}

static void a_promise_is_the_reservation(void **state _unused_)
{
	struct instance record = { .memory = 4 * GIB };

	assert_int_equal(admit_promise(&record), 0);
	record.memory_low = GIB;
	assert_int_equal(admit_promise(&record), GIB);
	/* of a pool that is set aside anyway */
	record.huge_pages = 1;
	assert_int_equal(admit_promise(&record), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_promise_too_many_is_refused_with_figures),
		cmocka_unit_test(a_small_host_keeps_a_quarter_of_a_gib),
		cmocka_unit_test(who_was_promised_nothing_always_starts),
		cmocka_unit_test(a_promise_is_the_reservation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
