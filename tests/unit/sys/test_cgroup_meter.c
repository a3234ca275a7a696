// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "sys/cgroup.h"
#include "sys/cgroup_meter.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>

static char top[32], path[64];

static int teardown(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	(void)cgroup_remove(path, 2000, &err);
	return cgroup_remove(top, 0, &err) < 0 && err.code != -EBUSY ? -1 : 0;
}

/* A process in the group that waits; and so many more in one of its own below that. */
static pid_t spawn_in(struct cgroup *cgroup)
{
	struct cgroup_entry entry = CGROUP_ENTRY_INIT;
	struct err err = ERR_INIT;
	int ready[2];
	char byte;
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

static void a_group_with_a_process_has_figures(void **state)
{
	_cleanup_cgroup_meter_ struct cgroup_meter *meter = cgroup_meter_new();
	_cleanup_cgroup_ struct cgroup *cgroup = NULL, *below = NULL;
	_cleanup_free_ char *inner = NULL;
	struct cgroup_stats stats;
	struct err err = ERR_INIT;
	pid_t pids[2];

	(void)state;
	if (geteuid() != 0 || cgroup_host_layout() == CGROUP_LAYOUT_NONE)
		skip();
	snprintf(top, sizeof(top), "brig-test-%d", getpid());
	snprintf(path, sizeof(path), "%s/group", top);
	inner = mem_printf("%s/inner", path);
	assert_int_equal(cgroup_create(path, CGROUP_CPUACCT, &cgroup, &err), 0);
	pids[0] = spawn_in(cgroup);
	/* processes beside groups: on version 2 without controllers in that group */
	assert_int_equal(cgroup_adopt(inner, CGROUP_CPUACCT, &below, &err), 0);
	pids[1] = spawn_in(below);
	cgroup_meter_read(meter, path, &stats);
	assert_int_equal(stats.pids, 2);
	assert_true(stats.cpu_ns > 0);
	assert_true(stats.memory >= 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
}

static void what_is_not_counted_is_unknown(void **state)
{
	static const struct cgroup_stats unknown = CGROUP_STATS_UNKNOWN;
	_cleanup_cgroup_meter_ struct cgroup_meter *meter = cgroup_meter_new();
	struct cgroup_stats stats = { 0 };

	(void)state;
	cgroup_meter_read(meter, "brig-test-meter/no-such-group", &stats);
	assert_memory_equal(&stats, &unknown, sizeof(stats));
}

static void pressure_is_read_in_hundredths(void **state)
{
	(void)state;
	assert_int_equal(
		cgroup_meter_pressure("some avg10=12.34 avg60=0.00 total=1\nfull avg10=1.00\n"),
		1234);
	assert_int_equal(cgroup_meter_pressure("some avg10=0.05 avg60=9.00\n"), 5);
	assert_int_equal(cgroup_meter_pressure("some avg10=100.00"), 10000);
	assert_int_equal(cgroup_meter_pressure("full avg10=1.00\n"), -1);
	assert_int_equal(cgroup_meter_pressure(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_group_with_a_process_has_figures, teardown),
		cmocka_unit_test(what_is_not_counted_is_unknown),
		cmocka_unit_test(pressure_is_read_in_hundredths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
