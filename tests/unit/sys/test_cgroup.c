// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "sys/cgroup.h"
#include "sys/cgroup_bpf.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* These run on the host's real cgroups, below brig-test-PID, a run's own: others may run beside it. */
static char top[32], path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "brig-test-%d", getpid());
	snprintf(path, sizeof(path), "%s/group", top);
	return 0;
}

static int teardown(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	(void)cgroup_remove(path, 2000, &err);
	return cgroup_remove(top, 0, &err) < 0 && err.code != -EBUSY ? -1 : 0;
}

static void need_cgroups(void)
{
	if (geteuid() != 0 || cgroup_host_layout() == CGROUP_LAYOUT_NONE)
		skip();
}

static struct cgroup *create_at(const char *where, unsigned int also)
{
	struct cgroup *cgroup = NULL;
	struct err err = ERR_INIT;

	if (cgroup_create(where, also, &cgroup, &err) < 0)
		fail_msg("%s", err.msg);
	return cgroup;
}

static struct cgroup *create(const struct cgroup_limits *limits)
{
	unsigned int need = (limits && limits->pids ? CGROUP_PIDS : 0);
	struct cgroup *cgroup = create_at(path, need);
	struct err err = ERR_INIT;

	if (limits && cgroup_set_limits(cgroup, limits, &err) < 0)
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

static void a_process_that_joins_is_listed(void **state)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;
	pid_t pid;

	(void)state;
	need_cgroups();
	cgroup = create(NULL);
	pid = spawn_in(cgroup);
	assert_int_equal(cgroup_pids(cgroup, &pids, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], pid);
	assert_int_equal(cgroup_has_process(path, pid), 1);
	assert_int_equal(cgroup_has_process(path, getpid()), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void removing_a_group_kills_what_is_in_it_even_when_frozen(void **state)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL, *gone = NULL;
	struct err err = ERR_INIT;
	int status = 0;
	pid_t pid;

	(void)state;
	need_cgroups();
	cgroup = create(NULL);
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
	if (!(cgroup_host_controllers() & CGROUP_PIDS))
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
	_cleanup_cgroup_ struct cgroup *cgroup = NULL, *other = NULL;
	struct err err = ERR_INIT;
	pid_t pid;

	(void)state;
	need_cgroups();
	cgroup = create(NULL);
	pid = spawn_in(cgroup);
	assert_int_equal(cgroup_create(path, 0, &other, &err), -EBUSY);
	assert_non_null(strstr(err.msg, path));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	other = create(NULL);
	assert_non_null(other);
}

static void a_limit_that_makes_no_sense_is_refused(void **state)
{
	static const struct cgroup_limits tiny = { .cpus_milli = 1 };
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	struct err err = ERR_INIT;

	(void)state;
	need_cgroups();
	cgroup = create_at(path, CGROUP_CPU);
	assert_int_equal(cgroup_set_limits(cgroup, &tiny, &err), -ERANGE);
}

static void a_process_is_found_in_every_hierarchy_by_proc(void **state)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	_cleanup_free_ char *text = NULL, *deep = mem_printf("%s/pod/container", path);
	unsigned int has = cgroup_host_controllers();
	char file[64], *save = NULL;
	size_t lines = 0;
	pid_t pid;

	(void)state;
	need_cgroups();
	cgroup = create_at(deep, CGROUP_ALL);
	for (unsigned int bit = 1; bit & CGROUP_ALL; bit <<= 1) {
		int version = cgroup_version(cgroup, bit);

		if (has & bit)
			assert_in_range(version, 1, 2);
		else
			assert_int_equal(version, -ENOENT);
	}
	pid = spawn_in(cgroup);
	snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	assert_int_equal(file_read(AT_FDCWD, file, 1 << 16, &text, NULL), 0);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		assert_non_null(strstr(line, deep));
		lines++;
	}
	assert_true(lines > 0);
}

static void a_group_that_needs_little_is_in_few_hierarchies(void **state)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	struct cgroup_entry entry = CGROUP_ENTRY_INIT;
	struct err err = ERR_INIT;

	(void)state;
	need_cgroups();
	if (cgroup_host_layout() != CGROUP_LAYOUT_HYBRID)
		skip();
	cgroup = create(NULL);
	assert_int_equal(cgroup_entry_open(cgroup, &entry, &err), 0);
	/* version 2 itself, and memory */
	assert_int_equal(entry.n, 1 + (cgroup_version(cgroup, CGROUP_MEMORY) == 1));
	cgroup_entry_release(&entry);
	assert_int_equal(cgroup_version(cgroup, CGROUP_CPUSET), -ENOENT);
}

static void parents_that_are_anothers_stay_and_ours_go(void **state)
{
	_cleanup_free_ char *pod = mem_printf("%s/pod", path), *leaf = mem_printf("%s/x", pod);
	struct err err = ERR_INIT;

	(void)state;
	need_cgroups();
	for (int keep = 1; keep >= 0; keep--) {
		_cleanup_cgroup_ struct cgroup *cgroup = create_at(leaf, 0), *parent = NULL;

		if (keep)
			cgroup_keep_parents(cgroup);
		assert_int_equal(cgroup_destroy(cgroup, 1000, &err), 0);
		assert_int_equal(cgroup_open(pod, &parent), keep ? 0 : -ENOENT);
	}
}

static void whether_a_group_is_frozen_can_be_told(void **state)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	struct err err = ERR_INIT;

	(void)state;
	need_cgroups();
	cgroup = create_at(path, CGROUP_FREEZER);
	(void)spawn_in(cgroup);
	assert_int_equal(cgroup_is_frozen(cgroup), 0);
	assert_int_equal(cgroup_freeze(cgroup, 1, &err), 0);
	assert_int_equal(cgroup_is_frozen(cgroup), 1);
	assert_int_equal(cgroup_freeze(cgroup, 0, &err), 0);
	assert_int_equal(cgroup_is_frozen(cgroup), 0);
	if (cgroup_version(cgroup, CGROUP_FREEZER) != 1)
		return;
	assert_int_equal(cgroup_write(cgroup, CGROUP_FREEZER, "freezer.state", "FROZEN"), 0);
	assert_int_equal(cgroup_is_frozen(cgroup), 1);
	assert_int_equal(cgroup_write(cgroup, CGROUP_FREEZER, "freezer.state", "THAWED"), 0);
}

static void a_controllers_files_are_written_and_read(void **state)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	_cleanup_free_ char *text = NULL, *missing = NULL;

	(void)state;
	need_cgroups();
	if (!(cgroup_host_controllers() & CGROUP_PIDS))
		skip();
	cgroup = create_at(path, CGROUP_PIDS);
	assert_int_equal(cgroup_write(cgroup, CGROUP_PIDS, "pids.max", "17"), 0);
	assert_int_equal(cgroup_read(cgroup, CGROUP_PIDS, "pids.max", &text), 0);
	assert_string_equal(text, "17");
	assert_int_equal(cgroup_write(cgroup, CGROUP_PIDS, "pids.max", "many"), -EINVAL);
	assert_int_equal(cgroup_write(cgroup, CGROUP_PIDS, "pids.min", "1"), -ENOENT);
	assert_int_equal(cgroup_write(cgroup, CGROUP_PIDS, "../pids.max", "1"), -EINVAL);
	assert_int_equal(cgroup_read(cgroup, CGROUP_PIDS, "../pids.max", &missing), -EINVAL);
	assert_int_equal(cgroup_read(cgroup, CGROUP_PIDS, "pids.min", &missing), -ENOENT);
}

static void a_path_that_leaves_the_hierarchy_is_refused(void **state)
{
	static const char *const paths[] = { "", "/x", "x/", "a//b", "..", "a/../b", "./a", "a/." };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_cgroup_ struct cgroup *cgroup = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(cgroup_create(paths[i], 0, &cgroup, &err), -EINVAL);
		assert_int_equal(cgroup_open(paths[i], &cgroup), -ENOENT);
	}
}

/* A rule for each number, with all three tests in it: the longest program that may come. */
static struct cgroup_device *many_rules(size_t n)
{
	struct cgroup_device *rules = mem_zalloc(n * sizeof(*rules));

	for (size_t i = 0; i < n; i++)
		rules[i] = (struct cgroup_device){ 'c', (int64_t)i, (int64_t)i, "rw", i & 1 };
	return rules;
}

static void as_many_device_rules_as_are_taken_are_loaded(void **state)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	_cleanup_free_ struct cgroup_device *rules = many_rules(CGROUP_DEVICES_MAX + 1);
	struct cgroup_entry entry = CGROUP_ENTRY_INIT;
	struct err err = ERR_INIT;

	(void)state;
	need_cgroups();
	cgroup = create_at(path, CGROUP_DEVICES);
	assert_int_equal(cgroup_set_devices(cgroup, rules, CGROUP_DEVICES_MAX + 1, &err), -E2BIG);
	assert_int_equal(cgroup_entry_open(cgroup, &entry, &err), 0);
	if (entry.into >= 0)
		assert_int_equal(cgroup_bpf_attach(entry.into, rules, CGROUP_DEVICES_MAX), 0);
	cgroup_entry_release(&entry);
}

/* What a process of the group gets for opening the device: 0 or -errno. */
static int open_in(const struct cgroup_entry *entry, const char *device, int flags)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		if (cgroup_join(entry, 0) < 0)
			_exit(255);
		_exit(open(device, flags | O_CLOEXEC) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return -WEXITSTATUS(status);
}

static void version_2_decides_about_devices_by_the_last_rule_that_matches(void **state)
{
	static const struct cgroup_device rules[] = {
		{ 'a', -1, -1, "rwm", 0 }, /* nothing */
		{ 'c', 1, -1, "rwm", 1 },  /* but memory devices */
		{ 'c', 1, 5, "w", 0 },	   /* but not writing /dev/zero */
		{ 'b', 1, 7, "rwm", 0 },   /* which is not /dev/full */
	};
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	struct cgroup_entry entry = CGROUP_ENTRY_INIT;
	struct err err = ERR_INIT;

	(void)state;
	need_cgroups();
	if (!(cgroup_host_controllers() & CGROUP_CORE))
		skip();
	cgroup = create(NULL);
	assert_int_equal(cgroup_entry_open(cgroup, &entry, &err), 0);
	assert_int_not_equal(open_in(&entry, "/dev/tty", O_RDONLY | O_NOCTTY), -EPERM);
	assert_int_equal(cgroup_bpf_attach(entry.into, rules, ARRAY_SIZE(rules)), 0);
	assert_int_equal(open_in(&entry, "/dev/null", O_RDWR), 0);
	assert_int_equal(open_in(&entry, "/dev/zero", O_RDONLY), 0);
	assert_int_equal(open_in(&entry, "/dev/zero", O_WRONLY), -EPERM);
	assert_int_equal(open_in(&entry, "/dev/zero", O_RDWR), -EPERM);
	assert_int_equal(open_in(&entry, "/dev/full", O_RDWR), 0);
	assert_int_equal(open_in(&entry, "/dev/tty", O_RDONLY | O_NOCTTY), -EPERM);
	/* another set takes its place */
	assert_int_equal(cgroup_bpf_attach(entry.into, rules, 1), 0);
	assert_int_equal(open_in(&entry, "/dev/null", O_RDWR), -EPERM);
	cgroup_entry_release(&entry);
}

static void a_group_that_was_made_for_us_is_taken_as_it_is(void **state)
{
	static const struct cgroup_limits limits = { .pids = 7 };
	_cleanup_cgroup_ struct cgroup *made = NULL, *adopted = NULL;
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	pid_t pid;

	(void)state;
	need_cgroups();
	made = create(&limits);
	pid = spawn_in(made);
	assert_int_equal(cgroup_adopt(path, CGROUP_PIDS | CGROUP_CPU, &adopted, &err), 0);
	assert_int_equal(cgroup_has_process(path, pid), 1);
	assert_int_equal(cgroup_read(adopted, CGROUP_PIDS, "pids.max", &text), 0);
	assert_string_equal(text, "7");
	assert_true(cgroup_version(adopted, CGROUP_CPU) > 0);
	assert_int_equal(cgroup_create(path, 0, &(struct cgroup *){ NULL }, &err), -EBUSY);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Takes twice what it may. */
static _noreturn_ void use_too_much(const struct cgroup_entry *entry, size_t size)
{
	char *at;

	if (cgroup_join(entry, 0) < 0)
		_exit(1);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at != MAP_FAILED)
		memset(at, 1, size);
	_exit(2);
}

static void each_process_killed_for_want_of_memory_is_told_of_once(void **state)
{
	static const struct cgroup_limits limits = { .memory = 16 << 20 };
	_cleanup_(cgroup_entry_release) struct cgroup_entry entry = CGROUP_ENTRY_INIT;
	_cleanup_(cgroup_oom_release) struct cgroup_oom oom = CGROUP_OOM_INIT;
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	struct err err = ERR_INIT;
	int status = 0;
	pid_t pid;

	(void)state;
	need_cgroups();
	cgroup = create(&limits);
	assert_int_equal(cgroup_entry_open(cgroup, &entry, &err), 0);
	assert_int_equal(cgroup_oom_open(cgroup, &oom, &err), 0);
	assert_int_equal(cgroup_oom_count(&oom), 0);
	for (int i = 0; i < 2; i++) {
		struct pollfd poller = { .fd = oom.fd, .events = (short)oom.events };

		pid = fork();
		if (!pid)
			use_too_much(&entry, 32 << 20);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_int_equal(poll(&poller, 1, 10000), 1);
		assert_int_equal(cgroup_oom_count(&oom), 1);
		assert_int_equal(cgroup_oom_count(&oom), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_group_that_was_made_for_us_is_taken_as_it_is,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			each_process_killed_for_want_of_memory_is_told_of_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_process_that_joins_is_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			removing_a_group_kills_what_is_in_it_even_when_frozen, setup, teardown),
		cmocka_unit_test_setup_teardown(a_limit_of_processes_refuses_a_fork, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_live_group_is_not_replaced_and_a_dead_one_is,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_limit_that_makes_no_sense_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_process_is_found_in_every_hierarchy_by_proc,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_group_that_needs_little_is_in_few_hierarchies,
						setup, teardown),
		cmocka_unit_test_setup_teardown(parents_that_are_anothers_stay_and_ours_go, setup,
						teardown),
		cmocka_unit_test_setup_teardown(whether_a_group_is_frozen_can_be_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_controllers_files_are_written_and_read, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_path_that_leaves_the_hierarchy_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(as_many_device_rules_as_are_taken_are_loaded, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			version_2_decides_about_devices_by_the_last_rule_that_matches, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
