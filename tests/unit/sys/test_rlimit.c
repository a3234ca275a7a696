// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/rlimit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <cmocka.h>

static void limits_are_read_by_name(void **state)
{
	struct rlimit_value limit = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(rlimit_parse("NOFILE=1024:4096", &limit, &err), 0);
	assert_int_equal(limit.resource, RLIMIT_NOFILE);
	assert_int_equal(limit.soft, 1024);
	assert_int_equal(limit.hard, 4096);
	assert_int_equal(rlimit_parse("rlimit_core=0", &limit, &err), 0);
	assert_int_equal(limit.hard, 0);
	assert_int_equal(rlimit_parse("memlock=unlimited", &limit, &err), 0);
	assert_true(limit.soft == RLIM_INFINITY);
}

static void what_is_no_limit_is_refused(void **state)
{
	static const char *const bad[] = { "nofile",	 "nofile=",   "=5",
					   "nofile=5:4", "nofile=x",  "files=5",
					   "nofile=5:",	 "nofile=-2", "nofile=5:6:7" };
	struct rlimit_value limit;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_INIT;

		assert_true(rlimit_parse(bad[i], &limit, &err) < 0);
		assert_true(err_is_set(&err));
	}
}

/* As an unprivileged user nothing can be raised. */
static int clamped(void)
{
	struct rlimit low = { .rlim_cur = 100, .rlim_max = 100 }, now;
	struct rlimit_value limit = { .resource = RLIMIT_NOFILE, .soft = 5000, .hard = 9000 };
	struct err err = ERR_INIT;

	if (setrlimit(RLIMIT_NOFILE, &low) < 0 || (geteuid() == 0 && setuid(65534) < 0))
		return 1;
	if (rlimit_apply(&limit, &err) < 0 || getrlimit(RLIMIT_NOFILE, &now) < 0)
		return 2;
	return now.rlim_cur == 100 && now.rlim_max == 100 ? 0 : 3;
}

static void a_limit_that_cannot_be_raised_stays_as_high_as_it_is(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(clamped());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_read_by_name),
		cmocka_unit_test(what_is_no_limit_is_refused),
		cmocka_unit_test(a_limit_that_cannot_be_raised_stays_as_high_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
