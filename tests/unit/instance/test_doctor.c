// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "instance/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

static char folder[32];
static struct doctor_finding *findings;
static size_t n;
static unsigned int kinds;

static int setup(void **state _unused_)
{
	const struct instance_home home = { .root = folder, .run = folder };

	snprintf(folder, sizeof(folder), "/tmp/brig-test-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	kinds = doctor_run(&home, &findings, &n);
	return 0;
}

static int teardown(void **state _unused_)
{
	free(findings);
	return file_remove_tree(AT_FDCWD, folder);
}

static void every_check_has_an_id_of_its_own(void **state _unused_)
{
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = i + 1; k < n; k++)
			assert_string_not_equal(findings[i].check->id, findings[k].check->id);
	}
}

static void every_check_says_what_it_found_what_a_lack_costs_and_the_cure(void **state _unused_)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(*findings[i].detail);
		assert_true(*findings[i].check->title);
		assert_true(*findings[i].check->cost);
		assert_true(*findings[i].check->fix);
	}
}

static void a_kind_runs_if_nothing_that_it_needs_has_failed(void **state _unused_)
{
	unsigned int expected = DOCTOR_BOTH;

	for (size_t i = 0; i < n; i++) {
		if (findings[i].status == DOCTOR_FAIL)
			expected &= ~findings[i].check->needed_by;
	}
	assert_int_equal(kinds, expected);
}

static void what_no_kind_needs_never_fails(void **state _unused_)
{
	for (size_t i = 0; i < n; i++) {
		if (!findings[i].check->needed_by)
			assert_int_not_equal(findings[i].status, DOCTOR_FAIL);
	}
}

static void what_does_not_matter_to_the_caller_is_not_tried(void **state _unused_)
{
	for (size_t i = 0; i < n; i++)
		assert_int_not_equal(findings[i].check->of,
				     geteuid() ? DOCTOR_OF_ROOT : DOCTOR_OF_USERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_check_has_an_id_of_its_own),
		cmocka_unit_test(every_check_says_what_it_found_what_a_lack_costs_and_the_cure),
		cmocka_unit_test(a_kind_runs_if_nothing_that_it_needs_has_failed),
		cmocka_unit_test(what_no_kind_needs_never_fails),
		cmocka_unit_test(what_does_not_matter_to_the_caller_is_not_tried),
	};

	return cmocka_run_group_tests_name("instance/doctor", tests, setup, teardown);
}
