// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/rlimit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <cmocka.h>

/* As an unprivileged user nothing can be raised. */
static int refused(void)
{
	struct rlimit low = { .rlim_cur = 100, .rlim_max = 100 }, now;
	struct privilege_rlimit limit = {
		.name = "nofile", .resource = RLIMIT_NOFILE, .soft = 50, .hard = 9000
	};
	struct err err = ERR_INIT;

	if (setrlimit(RLIMIT_NOFILE, &low) < 0 || (geteuid() == 0 && setuid(65534) < 0))
		return 1;
	if (rlimit_apply(&limit, &err) != -EPERM || getrlimit(RLIMIT_NOFILE, &now) < 0)
		return 2;
	if (!strstr(err.msg, "limit nofile: ") || !strstr(err.msg, "9000") ||
	    !strstr(err.msg, "100"))
		return 3;
	return now.rlim_cur == 100 && now.rlim_max == 100 ? 0 : 4;
}

static void a_limit_that_cannot_be_raised_is_refused_by_name(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(refused());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_that_cannot_be_raised_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
