// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/caps.h"

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <cmocka.h>

/* In a child, since it cannot be taken back. */
static int limited(void)
{
	struct err err = ERR_INIT;
	uint64_t keep = CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_KILL);

	if (caps_limit(keep, &err) < 0 || caps_set(CAPS_BIT(CAP_CHOWN), &err) < 0)
		return 1;
	if (prctl(PR_CAPBSET_READ, CAP_KILL) != 1 || prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != 0)
		return 2;
	/* what went out of permitted does not come back */
	if (caps_set(CAPS_ALL, &err) < 0 || prctl(PR_CAPBSET_DROP, CAP_KILL) == 0)
		return 3;
	return 0;
}

static void what_is_given_up_is_gone(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = fork();
	if (!pid)
		_exit(limited());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_given_up_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
