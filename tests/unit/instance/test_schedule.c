// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define MINUTE (INT64_C(60) * 1000)
#define NS     INT64_C(1000000) /* in a millisecond */
#define NOW    (INT64_C(1700000000000) * NS)

static void the_first_is_due_at_once(void **state _unused_)
{
	assert_true(schedule_is_due(60 * MINUTE, 0, 0, NOW));
}

static void without_a_schedule_none_is(void **state _unused_)
{
	assert_false(schedule_is_due(0, 0, 0, NOW));
	assert_false(schedule_is_due(0, NOW - 600 * MINUTE * NS, 0, NOW));
}

static void the_next_is_due_when_its_time_has_come_or_nearly_so(void **state _unused_)
{
	assert_false(schedule_is_due(60 * MINUTE, NOW, 0, NOW));
	assert_false(schedule_is_due(60 * MINUTE, NOW - 45 * MINUTE * NS, 0, NOW));
	/* a timer that came a little late the last time has not to wait for another turn */
	assert_true(schedule_is_due(60 * MINUTE, NOW - (60 * MINUTE - 500) * NS, 0, NOW));
	assert_true(schedule_is_due(60 * MINUTE, NOW - 61 * MINUTE * NS, 0, NOW));
}

static void what_is_stopped_gets_one_after_its_end_and_no_more(void **state _unused_)
{
	const int64_t ended = NOW - 600 * MINUTE * NS;

	assert_true(schedule_is_due(60 * MINUTE, 0, ended, NOW));
	assert_true(schedule_is_due(60 * MINUTE, ended - 1, ended, NOW));
	assert_false(schedule_is_due(60 * MINUTE, ended, ended, NOW));
	assert_false(schedule_is_due(60 * MINUTE, ended + 1, ended, NOW));
	assert_false(schedule_is_due(6000 * MINUTE, ended - 1, ended, NOW));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_due_at_once),
		cmocka_unit_test(without_a_schedule_none_is),
		cmocka_unit_test(the_next_is_due_when_its_time_has_come_or_nearly_so),
		cmocka_unit_test(what_is_stopped_gets_one_after_its_end_and_no_more),
	};

	return cmocka_run_group_tests_name("instance/schedule", tests, NULL, NULL);
}
