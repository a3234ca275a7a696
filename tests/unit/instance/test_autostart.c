// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/autostart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct {
	int autostart, restart, has_run, stopped_by_user;
	int due, due_as_it_runs;
} rows[] = {
	{ INSTANCE_AUTOSTART_YES, INSTANCE_RESTART_NO, 0, 0, 1, 1 },
	{ INSTANCE_AUTOSTART_YES, INSTANCE_RESTART_NO, 1, 1, 1, 1 },
	{ INSTANCE_AUTOSTART_NO, INSTANCE_RESTART_ALWAYS, 1, 0, 0, 0 },
	{ INSTANCE_AUTOSTART_POLICY, INSTANCE_RESTART_NO, 1, 0, 0, 0 },
	{ INSTANCE_AUTOSTART_POLICY, INSTANCE_RESTART_ON_FAILURE, 1, 0, 0, 0 },
	{ INSTANCE_AUTOSTART_POLICY, INSTANCE_RESTART_ALWAYS, 0, 0, 0, 1 },
	{ INSTANCE_AUTOSTART_POLICY, INSTANCE_RESTART_ALWAYS, 1, 1, 1, 1 },
	{ INSTANCE_AUTOSTART_POLICY, INSTANCE_RESTART_UNLESS_STOPPED, 1, 1, 0, 1 },
	{ INSTANCE_AUTOSTART_POLICY, INSTANCE_RESTART_UNLESS_STOPPED, 1, 0, 1, 1 },
	{ INSTANCE_AUTOSTART_POLICY, INSTANCE_RESTART_UNLESS_STOPPED, 0, 0, 0, 1 },
};

static void what_starts_with_the_host_is_what_the_record_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct instance_view view = { .record = { .autostart = rows[i].autostart,
							  .restart = rows[i].restart,
							  .has_run = rows[i].has_run,
							  .stopped_by_user =
								  rows[i].stopped_by_user } };

		assert_int_equal(autostart_is_due(&view), rows[i].due);
		view.alive = 1;
		assert_false(autostart_is_due(&view));
		assert_int_equal(autostart_is_for_boot(&view), rows[i].due_as_it_runs);
	}
}

static void one_whose_record_cannot_be_read_is_left_alone(void **state)
{
	const struct instance_view view = { .damaged = 1,
					    .record = { .autostart = INSTANCE_AUTOSTART_YES } };

	(void)state;
	assert_false(autostart_is_due(&view));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_starts_with_the_host_is_what_the_record_says),
		cmocka_unit_test(one_whose_record_cannot_be_read_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
