// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/procstat.h"
#include "base/take.h"
#include "sys/spawn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
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

/* A name is whatever its process says, and must not pass for fields. */
static void the_numbers_of_a_process_are_read_whatever_its_name_is(void **state _unused_)
{
	uint64_t arguments[2] = { 0 }, ours = 0, same = 0, parent = 0;
	char was[16] = "";
	int r;

	prctl(PR_GET_NAME, was);
	prctl(PR_SET_NAME, "a) R 1 (2) 3");
	r = procstat_fields(0, PROCSTAT_ARG_START, arguments, 2);
	prctl(PR_SET_NAME, was);
	assert_int_equal(r, 0);
	assert_true(arguments[0] <= (uintptr_t)program_invocation_name);
	assert_true(arguments[1] > (uintptr_t)program_invocation_name);
	assert_int_equal(procstat_fields(0, PROCSTAT_START_TIME, &ours, 1), 0);
	assert_int_equal(procstat_fields(getpid(), PROCSTAT_START_TIME, &same, 1), 0);
	assert_int_equal(ours, same);
	assert_int_equal(procstat_fields(getpid(), PROCSTAT_FIRST, &parent, 1), 0);
	assert_int_equal(parent, getppid());
}

static void a_process_that_is_not_there_has_no_numbers(void **state _unused_)
{
	uint64_t value;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(procstat_fields(pid, PROCSTAT_START_TIME, &value, 1), -ESRCH);
	assert_int_equal(procstat_fields(0, 60, &value, 1), -EBADMSG);
}

/* The first process of a pid namespace of its own. */
static pid_t first_process(uint64_t flags)
{
	int pidfd = -EBADF;
	pid_t pid = spawn_clone(CLONE_NEWPID | flags, -EBADF, &pidfd);

	fd_close(pidfd);
	return pid;
}

/* Tells when it is there with a process beside it and one in a namespace below. */
static _noreturn_ void be_first(int ready)
{
	pid_t beside = fork(), below = beside ? first_process(0) : -1;

	if (beside && below && (beside < 0 || below < 0 || write(ready, "", 1) != 1))
		_exit(1);
	for (;;)
		pause();
}

static void all_of_a_pid_namespace_are_found(void **state _unused_)
{
	pid_t *pids = NULL, pid;
	size_t n = 0, found = 0;
	int ready[2];
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = first_process(geteuid() ? CLONE_NEWUSER : 0);
	if (!pid)
		be_first(ready[1]);
	close(ready[1]);
	if (pid < 0 && geteuid())
		skip();
	assert_true(pid > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(procstat_pids_beside(pid, &pids, &n), 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++)
		found += pids[i] == pid;
	assert_int_equal(found, 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	free(pids);
}

static void our_own_pid_namespace_is_nobodys(void **state _unused_)
{
	pid_t *pids = NULL;
	size_t n = 0;

	assert_int_equal(procstat_pids_beside(getpid(), &pids, &n), -EXDEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_told_by_its_parent_and_its_start),
		cmocka_unit_test(the_numbers_of_a_process_are_read_whatever_its_name_is),
		cmocka_unit_test(a_process_that_is_not_there_has_no_numbers),
		cmocka_unit_test(all_of_a_pid_namespace_are_found),
		cmocka_unit_test(our_own_pid_namespace_is_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
