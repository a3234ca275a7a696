// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "base/units.h"
#include "sys/cgroup.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>

/* These run on the host's real cgroups, below brig-test/PID. */
static char path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "brig-test/%d", getpid());
	return 0;
}

static int teardown(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	(void)cgroup_remove(path, 2000, &err);
	return cgroup_remove("brig-test", 0, &err) < 0 && err.code != -EBUSY ? -1 : 0;
}

static void need_cgroups(void)
{
	if (geteuid() != 0 || cgroup_layout() == CGROUP_LAYOUT_NONE)
		skip();
}

static struct cgroup *create(const struct cgroup_limits *limits)
{
	struct cgroup *cgroup = NULL;
	struct err err = ERR_INIT;

	if (cgroup_create(path, limits, 0, &cgroup, &err) < 0)
		fail_msg("%s", err.msg);
	return cgroup;
}

/* A process in the group that waits to be killed; it is in once the pipe has a byte. */
static pid_t spawn_in(const struct cgroup *cgroup)
{
	struct cgroup_entry entry = CGROUP_ENTRY_INIT;
	struct err err = ERR_INIT;
	int ready[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(cgroup_entry_open(cgroup, &entry, &err), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		if (cgroup_join(&entry, 0) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	cgroup_entry_release(&entry);
	return pid;
}

static void a_process_that_joins_is_listed_and_counted(void **state)
{
	static const struct cgroup_limits none;
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	struct cgroup_stats stats;
	size_t n = 0;
	pid_t pid;

	(void)state;
	need_cgroups();
	cgroup = create(&none);
	pid = spawn_in(cgroup);
	assert_int_equal(cgroup_pids(cgroup, &pids, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], pid);
	assert_int_equal(cgroup_has_process(path, pid), 1);
	assert_int_equal(cgroup_has_process(path, getpid()), 0);
	cgroup_stats(cgroup, &stats);
	assert_int_equal(stats.pids, 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void removing_a_group_kills_what_is_in_it_even_when_frozen(void **state)
{
	static const struct cgroup_limits none;
	_cleanup_cgroup_ struct cgroup *cgroup = NULL, *gone = NULL;
	struct err err = ERR_INIT;
	int status = 0;
	pid_t pid;

	(void)state;
	need_cgroups();
	cgroup = create(&none);
	pid = spawn_in(cgroup);
	assert_int_equal(cgroup_freeze(cgroup, 1, &err), 0);
	if (cgroup_remove(path, 2000, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(cgroup_open(path, &gone), -ENOENT);
	assert_int_equal(cgroup_remove(path, 0, &err), 0);
}

static void a_limit_of_processes_refuses_a_fork(void **state)
{
	static const struct cgroup_limits one = { .pids = 1 };
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	struct cgroup_entry entry = CGROUP_ENTRY_INIT;
	struct err err = ERR_INIT;
	int status = 0;
	pid_t pid;

	(void)state;
	need_cgroups();
	if (!(cgroup_controllers() & CGROUP_PIDS))
		skip();
	cgroup = create(&one);
	assert_int_equal(cgroup_entry_open(cgroup, &entry, &err), 0);
	pid = fork();
	if (!pid) {
		if (cgroup_join(&entry, 0) < 0)
			_exit(1);
		pid = fork();
		_exit(pid < 0 && errno == EAGAIN ? 42 : 2);
	}
	cgroup_entry_release(&entry);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 42);
}

static void a_live_group_is_not_replaced_and_a_dead_one_is(void **state)
{
	static const struct cgroup_limits none;
	_cleanup_cgroup_ struct cgroup *cgroup = NULL, *other = NULL;
	struct err err = ERR_INIT;
	pid_t pid;

	(void)state;
	need_cgroups();
	cgroup = create(&none);
	pid = spawn_in(cgroup);
	assert_int_equal(cgroup_create(path, &none, 0, &other, &err), -EBUSY);
	assert_non_null(strstr(err.msg, path));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	other = create(&none);
	assert_non_null(other);
}

static void a_limit_that_makes_no_sense_is_refused_and_leaves_nothing(void **state)
{
	static const struct cgroup_limits tiny = { .cpus_milli = 1 };
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	struct err err = ERR_INIT;

	(void)state;
	need_cgroups();
	assert_int_equal(cgroup_create(path, &tiny, 0, &cgroup, &err), -ERANGE);
	assert_int_equal(cgroup_open(path, &cgroup), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_process_that_joins_is_listed_and_counted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			removing_a_group_kills_what_is_in_it_even_when_frozen, setup, teardown),
		cmocka_unit_test_setup_teardown(a_limit_of_processes_refuses_a_fork, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_live_group_is_not_replaced_and_a_dead_one_is,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_limit_that_makes_no_sense_is_refused_and_leaves_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
