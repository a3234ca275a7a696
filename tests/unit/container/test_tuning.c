// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/tuning.h"
#include "base/file.h"
#include "base/json.h"
#include "sys/procfs.h"

#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <cmocka.h>

/* A configuration with these members of process and of linux, as text: "" is none. */
static int check(const char *process, const char *linux_text, struct tuning *ret, struct err *err)
{
	_cleanup_config_ struct config config = { 0 };
	_cleanup_json_ struct json *json = NULL;
	char text[1024];
	int n = snprintf(
		text, sizeof(text),
		"{\"ociVersion\":\"1.3.0\",\"process\":{\"cwd\":\"/\"%s%s},\"linux\":{%s}}",
		*process ? "," : "", process, linux_text);
	int r = json_parse(text, (size_t)n, "text", &json, err);

	if (r == 0)
		r = config_read(json, &config, err);
	return r < 0 ? r : tuning_of_config(&config.process, &config.on_linux, ret, err);
}

static void refused(const char *process, const char *linux_text, const char *message)
{
	struct err err = ERR_INIT;
	struct tuning tuning;

	assert_true(check(process, linux_text, &tuning, &err) < 0);
	if (!strstr(err.msg, message))
		fail_msg("'%s' is not in '%s'", message, err.msg);
}

/* In a process of its own, since much cannot be taken back: what `look` says of it, or 100 and more for a failure.
 * With `drop`, as a user without privileges. */
static int after(const char *process, const char *linux_text, enum tuning_time time, int drop,
		 int (*look)(void))
{
	struct err err = ERR_INIT;
	struct tuning tuning;
	int status = 0, proc = -EBADF;
	pid_t pid;

	assert_int_equal(check(process, linux_text, &tuning, &err), 0);
	assert_int_equal(procfs_open(&proc, &err), 0);
	pid = fork();
	if (!pid) {
		if (drop && geteuid() == 0 && setuid(65534) < 0)
			_exit(100);
		if (time == TUNING_JOINED &&
		    tuning_apply(&tuning, TUNING_JOINING, 0, proc, &err) < 0)
			_exit(101);
		if (tuning_apply(&tuning, time, 0, proc, &err) < 0) {
			fprintf(stderr, "# %s\n", err.msg);
			_exit(102);
		}
		_exit(look());
	}
	close(proc);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int needs_root(void)
{
	return geteuid() != 0;
}

static int oom_is_500(void)
{
	_cleanup_free_ char *text = NULL;

	if (file_read(-EBADF, "/proc/self/oom_score_adj", 64, &text, NULL) < 0)
		return 1;
	return strcmp(text, "500\n") != 0;
}

static void oom_score_adj_is_set(void **state _unused_)
{
	assert_int_equal(after("\"oomScoreAdj\":500", "", TUNING_PRIVILEGED, 0, oom_is_500), 0);
	assert_int_equal(after("\"oomScoreAdj\":-1000", "", TUNING_PRIVILEGED, 1, oom_is_500), 102);
	refused("\"oomScoreAdj\":1001", "", "process.oomScoreAdj");
}

static int scheduler_is(int policy, int nice_value, int priority)
{
	struct sched_param param = { 0 };

	if (sched_getscheduler(0) != policy || sched_getparam(0, &param) < 0)
		return 1;
	if (param.sched_priority != priority)
		return 2;
	return getpriority(PRIO_PROCESS, 0) == nice_value ? 0 : 3;
}

static int is_batch(void)
{
	return scheduler_is(SCHED_BATCH, 7, 0);
}

static int is_idle(void)
{
	return scheduler_is(SCHED_IDLE, 0, 0);
}

static int is_round_robin(void)
{
	return scheduler_is(SCHED_RR | SCHED_RESET_ON_FORK, 0, 42);
}

static int is_deadline(void)
{
	struct tuning_scheduler attr = { 0 };

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) < 0)
		return 1;
	return attr.policy == SCHED_DEADLINE && attr.runtime == 2000000 &&
			       attr.deadline == 10000000 && attr.period == 20000000
		       ? 0
		       : 2;
}

static void the_scheduler_is_set(void **state _unused_)
{
	assert_int_equal(after("\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":7}", "",
			       TUNING_PRIVILEGED, 0, is_batch),
			 0);
	assert_int_equal(after("\"scheduler\":{\"policy\":\"SCHED_IDLE\"}", "", TUNING_PRIVILEGED,
			       1, is_idle),
			 0);
	assert_int_equal(after("\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"priority\":1}", "",
			       TUNING_PRIVILEGED, 1, is_idle),
			 102);
}

static void real_time_is_set(void **state _unused_)
{
	if (needs_root())
		skip();
	assert_int_equal(after("\"scheduler\":{\"policy\":\"SCHED_RR\",\"priority\":42,"
			       "\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"]}",
			       "", TUNING_PRIVILEGED, 0, is_round_robin),
			 0);
	assert_int_equal(after("\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":2000000,"
			       "\"deadline\":10000000,\"period\":20000000}",
			       "", TUNING_PRIVILEGED, 0, is_deadline),
			 0);
}

static void a_scheduler_that_cannot_be_is_refused(void **state _unused_)
{
	refused("\"scheduler\":{\"policy\":\"SCHED_X\"}", "",
		"process.scheduler.policy: 'SCHED_X' is not one of SCHED_OTHER, SCHED_FIFO, "
		"SCHED_RR, SCHED_BATCH, SCHED_ISO, SCHED_IDLE, SCHED_DEADLINE");
	refused("\"scheduler\":{\"policy\":\"SCHED_ISO\"}", "", "process.scheduler.policy: ");
	refused("\"scheduler\":{\"policy\":\"SCHED_FIFO\"}", "",
		"process.scheduler.priority must be 1 to 99 with SCHED_FIFO, not 0");
	refused("\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"priority\":1}", "",
		"process.scheduler.priority is for");
	refused("\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"runtime\":1}", "",
		"process.scheduler: runtime, deadline and period are for");
	refused("\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":5,\"deadline\":4}", "",
		"process.scheduler: SCHED_DEADLINE needs");
	refused("\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":20}", "",
		"process.scheduler.nice");
	refused("\"scheduler\":{\"policy\":\"SCHED_BATCH\","
		"\"flags\":[\"SCHED_FLAG_RECLAIM\",\"SCHED_FLAG_X\"]}",
		"",
		"process.scheduler.flags[1]: 'SCHED_FLAG_X' is not one of "
		"SCHED_FLAG_RESET_ON_FORK");
}

static int is_best_effort_6(void)
{
	return syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0) !=
	       IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6);
}

/* Root of a user namespace may do none of it, and its keeper does it for it. */
static void a_keeper_sets_it_for_a_process_in_a_user_namespace(void **state _unused_)
{
	struct err err = ERR_INIT;
	struct tuning tuning;
	int status = 0, proc = -EBADF, told[2];
	pid_t pid;
	char byte = 0;

	if (needs_root())
		skip();
	assert_int_equal(check("\"oomScoreAdj\":500,\"scheduler\":{\"policy\":\"SCHED_RR\","
			       "\"priority\":42,\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"]},"
			       "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":6}",
			       "", &tuning, &err),
			 0);
	assert_int_equal(procfs_open(&proc, &err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, told), 0);
	pid = fork();
	if (!pid) {
		if (prctl(PR_SET_DUMPABLE, 0) < 0 || unshare(CLONE_NEWUSER) < 0)
			_exit(100);
		if (tuning_apply(&tuning, TUNING_PRIVILEGED, 0, proc, &err) == 0)
			_exit(101);
		if (write(told[1], &byte, 1) != 1 || read(told[1], &byte, 1) != 1)
			_exit(102);
		_exit(oom_is_500() + 10 * is_round_robin() + 40 * is_best_effort_6());
	}
	close(told[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	assert_int_equal(tuning_apply(&tuning, TUNING_PRIVILEGED, pid, proc, &err), 0);
	assert_int_equal(write(told[0], &byte, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(told[0]);
	close(proc);
}

static void io_priority_is_set(void **state _unused_)
{
	assert_int_equal(after("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":6}", "",
			       TUNING_PRIVILEGED, 0, is_best_effort_6),
			 0);
	refused("\"ioPriority\":{\"class\":\"BE\"}", "",
		"process.ioPriority.class: 'BE' is not one of IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, "
		"IOPRIO_CLASS_IDLE");
	refused("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}", "",
		"process.ioPriority.priority");
}

static int is_linux32(void)
{
	struct utsname name;

	if (uname(&name) < 0 || personality(0xffffffff) != PER_LINUX32)
		return 1;
	return strcmp(name.machine, "x86_64") == 0;
}

static void personality_is_set(void **state _unused_)
{
	assert_int_equal(
		after("", "\"personality\":{\"domain\":\"LINUX32\"}", TUNING_READY, 0, is_linux32),
		0);
	refused("", "\"personality\":{\"domain\":\"BSD\"}",
		"linux.personality.domain: 'BSD' is not one of LINUX, LINUX32");
	refused("", "\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"X\"]}",
		"linux.personality.flags[0]: 'X'");
}

static int is_bound_to_node_0(void)
{
	unsigned long nodes[TUNING_NODES_MAX / TUNING_WORD] = { 0 };
	int mode = 0;

	if (syscall(SYS_get_mempolicy, &mode, nodes, TUNING_NODES_MAX + 1, NULL, 0) < 0)
		return 1;
	return mode == (MPOL_BIND | MPOL_F_STATIC_NODES) && nodes[0] == 1 ? 0 : 2;
}

static void the_memory_policy_is_set(void **state _unused_)
{
	if (syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0) < 0)
		skip(); /* a kernel without NUMA */
	assert_int_equal(after("",
			       "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\","
			       "\"flags\":[\"MPOL_F_STATIC_NODES\"]}",
			       TUNING_READY, 0, is_bound_to_node_0),
			 0);
	/* there is no such node */
	assert_int_equal(after("",
			       "\"memoryPolicy\":{\"mode\":\"MPOL_INTERLEAVE\",\"nodes\":\"1023\"}",
			       TUNING_READY, 0, is_bound_to_node_0),
			 102);
}

static void a_memory_policy_that_cannot_be_is_refused(void **state _unused_)
{
	refused("", "\"memoryPolicy\":{\"mode\":\"BIND\"}", "linux.memoryPolicy.mode: 'BIND'");
	refused("", "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\"}",
		"linux.memoryPolicy.nodes: MPOL_BIND needs some");
	refused("", "\"memoryPolicy\":{\"mode\":\"MPOL_LOCAL\",\"nodes\":\"0\"}",
		"linux.memoryPolicy: MPOL_LOCAL takes no nodes");
	refused("", "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0-1024\"}",
		"linux.memoryPolicy.nodes: '0-1024' is no list");
	refused("", "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\",\"flags\":[\"X\"]}",
		"linux.memoryPolicy.flags[0]: 'X' is not one of MPOL_F_NUMA_BALANCING");
	refused("",
		"\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\",\"flags\":["
		"\"MPOL_F_STATIC_NODES\",\"MPOL_F_RELATIVE_NODES\"]}",
		"linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and");
	refused("",
		"\"memoryPolicy\":{\"mode\":\"MPOL_INTERLEAVE\",\"nodes\":\"0\",\"flags\":["
		"\"MPOL_F_NUMA_BALANCING\"]}",
		"linux.memoryPolicy.flags: MPOL_F_NUMA_BALANCING is for");
}

static int has_cpus(unsigned long wanted)
{
	unsigned long bits[TUNING_CPUS_MAX / TUNING_WORD] = { 0 };

	if (syscall(SYS_sched_getaffinity, 0, sizeof(bits), bits) < 0)
		return 1;
	return bits[0] == wanted ? 0 : 2;
}

static int has_cpu_0(void)
{
	return has_cpus(1);
}

static int has_cpu_1(void)
{
	return has_cpus(2);
}

static int has_more(void)
{
	return has_cpus(1) == 2 ? 0 : 1;
}

static void a_process_joins_on_some_cpus_and_runs_on_others(void **state _unused_)
{
	if (has_cpus(3) != 0)
		skip(); /* CPUs 0 and 1, as in most machines of two */
	assert_int_equal(after("\"execCPUAffinity\":{\"initial\":\"0,900-1000\"}", "",
			       TUNING_JOINING, 0, has_cpu_0),
			 0);
	assert_int_equal(after("\"execCPUAffinity\":{\"initial\":\"0\",\"final\":\"1-1\"}", "",
			       TUNING_JOINED, 0, has_cpu_1),
			 0);
	/* the container's own again */
	assert_int_equal(after("\"execCPUAffinity\":{\"initial\":\"0\",\"final\":\"\"}", "",
			       TUNING_JOINED, 0, has_more),
			 0);
	/* a container's first process is not asked */
	assert_int_equal(after("\"execCPUAffinity\":{\"initial\":\"0\",\"final\":\"1\"}", "",
			       TUNING_READY, 0, has_more),
			 0);
}

static void a_list_that_cannot_be_is_refused(void **state _unused_)
{
	static const char *const lists[] = { ",",    "0,",   "a",
					     "1-",   "-1",   "3-1",
					     "0--1", "8192", "0-99999999999999999999",
					     " 0",   "0x1" };
	char text[128], message[128];

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		snprintf(text, sizeof(text), "\"execCPUAffinity\":{\"final\":\"%s\"}", lists[i]);
		snprintf(message, sizeof(message),
			 "process.execCPUAffinity.final: '%s' is no list like 0-3,7", lists[i]);
		refused(text, "", message);
	}
	refused("\"execCPUAffinity\":{\"initial\":\"x\"}", "", "process.execCPUAffinity.initial: ");
}

static void nothing_asked_for_is_nothing_set(void **state _unused_)
{
	struct tuning tuning, none = { 0 };
	struct config_process process = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(tuning_of_config(&process, NULL, &tuning, &err), 0);
	assert_memory_equal(&tuning, &none, sizeof(none));
	assert_int_equal(tuning_apply(&tuning, TUNING_READY, 0, -EBADF, &err), 0);
}

static int limits_of(struct config_rlimit *rlimits, size_t n, struct privilege_rlimit **ret,
		     struct err *err)
{
	struct config_process process = { .rlimits = rlimits, .n_rlimits = n };
	size_t n_limits = 0;
	int r = tuning_rlimits(&process, ret, &n_limits, err);

	assert_int_equal(n_limits, n);
	return r;
}

static void limits_are_those_of_the_kernel(void **state _unused_)
{
	struct config_rlimit rlimits[] = {
		{ (char *)"RLIMIT_NOFILE", 64, 4096 },
		{ (char *)"RLIMIT_CORE", 0, UINT64_MAX },
		{ (char *)"RLIMIT_RTTIME", (uint64_t)INT64_MAX + 1, UINT64_MAX - 1 },
	};
	_cleanup_free_ struct privilege_rlimit *limits = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(limits_of(rlimits, 3, &limits, &err), 0);
	assert_int_equal(limits[0].resource, RLIMIT_NOFILE);
	assert_int_equal(limits[0].soft, 64);
	assert_int_equal(limits[0].hard, 4096);
	assert_int_equal(limits[1].resource, RLIMIT_CORE);
	assert_true(limits[1].hard == RLIM_INFINITY);
	assert_int_equal(limits[2].resource, RLIMIT_RTTIME);
	assert_true(limits[2].hard == UINT64_MAX - 1);
}

static void a_limit_that_cannot_be_is_refused(void **state _unused_)
{
	static const char *const names[] = { "nofile",	"RLIMIT_nofile",   "rlimit_NOFILE",
					     "RLIMIT_", "RLIMIT_NOFILE=1", "",
					     "RLIMIT_X" };
	struct config_rlimit twice[] = { { (char *)"RLIMIT_CPU", 1, 1 },
					 { (char *)"RLIMIT_AS", 1, 1 },
					 { (char *)"RLIMIT_CPU", 1, 1 } };
	struct config_rlimit upside_down = { (char *)"RLIMIT_CPU", 2, 1 };
	struct privilege_rlimit *limits = NULL;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct config_rlimit one = { (char *)(uintptr_t)names[i], 1, 1 };

		assert_int_equal(limits_of(&one, 1, &limits, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "process.rlimits[0]: type: there is no limit"));
		free(limits);
	}
	assert_int_equal(limits_of(twice, 3, &limits, &err), -EINVAL);
	assert_string_equal(err.msg, "process.rlimits[2].type: RLIMIT_CPU is in [0], too");
	free(limits);
	assert_int_equal(limits_of(&upside_down, 1, &limits, &err), -EINVAL);
	assert_string_equal(err.msg, "process.rlimits[0]: soft: 2 is more than the hard limit 1");
	free(limits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oom_score_adj_is_set),
		cmocka_unit_test(the_scheduler_is_set),
		cmocka_unit_test(real_time_is_set),
		cmocka_unit_test(a_scheduler_that_cannot_be_is_refused),
		cmocka_unit_test(a_keeper_sets_it_for_a_process_in_a_user_namespace),
		cmocka_unit_test(io_priority_is_set),
		cmocka_unit_test(personality_is_set),
		cmocka_unit_test(the_memory_policy_is_set),
		cmocka_unit_test(a_memory_policy_that_cannot_be_is_refused),
		cmocka_unit_test(a_process_joins_on_some_cpus_and_runs_on_others),
		cmocka_unit_test(a_list_that_cannot_be_is_refused),
		cmocka_unit_test(nothing_asked_for_is_nothing_set),
		cmocka_unit_test(limits_are_those_of_the_kernel),
		cmocka_unit_test(a_limit_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests_name("container/tuning", tests, NULL, NULL);
}
