// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/caps.h"

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <cmocka.h>

/* In a child, since it cannot be taken back. */
static int limited(void)
{
	struct err err = ERR_INIT;
	uint64_t keep = CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_KILL);
	struct caps_sets one = { .effective = CAPS_BIT(CAP_CHOWN),
				 .permitted = CAPS_BIT(CAP_CHOWN) };
	struct caps_sets all = { .effective = CAPS_ALL, .permitted = CAPS_ALL };

	if (caps_limit(keep, &err) < 0 || caps_set(&one, &err) < 0)
		return 1;
	if (prctl(PR_CAPBSET_READ, CAP_KILL) != 1 || prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != 0)
		return 2;
	/* what went out of permitted does not come back */
	if (caps_set(&all, &err) < 0 || prctl(PR_CAPBSET_DROP, CAP_KILL) == 0)
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

/* "CapInh: 0000000000000001" of ourselves */
static uint64_t status_of(const char *key)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/status", "re");
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, strlen(key)))
			return strtoull(line + strlen(key) + 1, NULL, 16);
	}
	return 0;
}

static int given(void)
{
	struct caps_sets sets = {
		.effective = CAPS_BIT(CAP_KILL),
		.permitted = CAPS_BIT(CAP_KILL) | CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_WAKE_ALARM),
		.inheritable =
			CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_FOWNER) | CAPS_BIT(CAP_WAKE_ALARM),
		.ambient = CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_FOWNER) | CAPS_BIT(CAP_KILL) |
			   CAPS_BIT(CAP_WAKE_ALARM),
	};
	struct err err = ERR_INIT;

	if (caps_set(&sets, &err) < 0)
		return 1;
	if (status_of("CapEff:") != sets.effective || status_of("CapPrm:") != sets.permitted ||
	    status_of("CapInh:") != sets.inheritable)
		return 2;
	/* what is not both permitted and inheritable cannot be ambient */
	return status_of("CapAmb:") == (CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_WAKE_ALARM)) ? 0 : 3;
}

static void each_set_is_what_was_given(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = fork();
	if (!pid)
		_exit(given());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_given_up_is_gone),
		cmocka_unit_test(each_set_is_what_was_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
