// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/procstat.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_process_is_told_by_its_parent_and_its_start(void **state _unused_)
{
	struct procstat ours, childs, again;
	pid_t pid = fork();

	if (!pid) {
		/* a name that looks like the fields behind it */
		prctl(PR_SET_NAME, "a) R 1 1 (");
		pause();
		_exit(0);
	}
	assert_int_equal(procstat_read(getpid(), &ours), 0);
	assert_int_equal(ours.parent, getppid());
	assert_int_equal(procstat_read(pid, &childs), 0);
	assert_int_equal(procstat_read(pid, &again), 0);
	assert_int_equal(childs.parent, getpid());
	assert_true(childs.start_time >= ours.start_time);
	assert_int_equal(childs.start_time, again.start_time);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(procstat_read(pid, &again), -ESRCH);
}

static void all_of_a_pid_namespace_are_found(void **state _unused_)
{
	pid_t *pids = NULL;
	size_t n = 0, found = 0;

	assert_int_equal(procstat_pids_beside(getpid(), &pids, &n), 0);
	for (size_t i = 0; i < n; i++)
		found += pids[i] == getpid();
	assert_int_equal(found, 1);
	free(pids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_told_by_its_parent_and_its_start),
		cmocka_unit_test(all_of_a_pid_namespace_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
