// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/resources.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

/*
 * These set the host's real cgroups, version 1's, version 2's or some of each, below brig-test-PID: others may
 * run beside them.
 */
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

static struct cgroup *create(unsigned int also)
{
	struct cgroup *cgroup = NULL;
	struct err err = ERR_INIT;

	if (geteuid() != 0 || cgroup_host_layout() == CGROUP_LAYOUT_NONE)
		skip();
	if (cgroup_create(path, also, &cgroup, &err) < 0)
		fail_msg("%s", err.msg);
	return cgroup;
}

static int try_apply(const struct cgroup *cgroup, const char *text, struct err *err)
{
	_cleanup_config_resources_ struct config_resources resources = { 0 };
	_cleanup_json_ struct json *json = NULL;

	*err = ERR_INIT;
	if (json_parse(text, strlen(text), "text", &json, err) < 0 ||
	    config_read_resources(json, &resources, err) < 0)
		fail_msg("%s", err->msg);
	return resources_apply(cgroup, &resources, err);
}

static void apply(const struct cgroup *cgroup, const char *text)
{
	struct err err = ERR_INIT;

	if (try_apply(cgroup, text, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

static void refuses(const struct cgroup *cgroup, const char *text, int code, const char *part)
{
	struct err err = ERR_INIT;
	int r = try_apply(cgroup, text, &err);

	if (r != code || !strstr(err.msg, part))
		fail_msg("%s: %d \"%s\", not %d \"%s\"", text, r, err.msg, code, part);
}

/* The file has this value; or, where that begins with a ~, a line with this in it. */
static void has(const struct cgroup *cgroup, unsigned int controller, const char *file,
		const char *expected)
{
	_cleanup_free_ char *text = NULL;
	int r = cgroup_read(cgroup, controller, file, &text);

	if (r < 0)
		fail_msg("%s: %s", file, strerror(-r));
	if (expected[0] == '~' ? !strstr(text, expected + 1) : strcmp(text, expected) != 0)
		fail_msg("%s has \"%s\", not \"%s\"", file, text, expected);
}

static void every_limit_stands_in_its_file(void **state)
{
	static const struct {
		const char *text;
		unsigned int controller;
		const char *v1, *v1_value, *v2, *v2_value;
	} rows[] = {
		{ "{\"memory\":{\"limit\":67108864}}", CGROUP_MEMORY, "memory.limit_in_bytes",
		  "67108864", "memory.max", "67108864" },
		{ "{\"memory\":{\"limit\":67108864,\"swap\":100663296}}", CGROUP_MEMORY,
		  "memory.memsw.limit_in_bytes", "100663296", "memory.swap.max", "33554432" },
		{ "{\"memory\":{\"reservation\":33554432}}", CGROUP_MEMORY,
		  "memory.soft_limit_in_bytes", "33554432", "memory.low", "33554432" },
		{ "{\"memory\":{\"kernelTCP\":8388608}}", CGROUP_MEMORY,
		  "memory.kmem.tcp.limit_in_bytes", "8388608", NULL, NULL },
		{ "{\"memory\":{\"swappiness\":10}}", CGROUP_MEMORY, "memory.swappiness", "10",
		  NULL, NULL },
		{ "{\"memory\":{\"disableOOMKiller\":true}}", CGROUP_MEMORY, "memory.oom_control",
		  "~oom_kill_disable 1", NULL, NULL },
		{ "{\"memory\":{\"useHierarchy\":true}}", CGROUP_MEMORY, "memory.use_hierarchy",
		  "1", NULL, NULL },
		{ "{\"cpu\":{\"shares\":512}}", CGROUP_CPU, "cpu.shares", "512", "cpu.weight",
		  "59" },
		{ "{\"cpu\":{\"quota\":50000,\"period\":200000}}", CGROUP_CPU, "cpu.cfs_quota_us",
		  "50000", "cpu.max", "50000 200000" },
		{ "{\"cpu\":{\"period\":250000}}", CGROUP_CPU, "cpu.cfs_period_us", "250000",
		  "cpu.max", "50000 250000" },
		{ "{\"cpu\":{\"quota\":-1}}", CGROUP_CPU, "cpu.cfs_quota_us", "-1", "cpu.max",
		  "max 250000" },
		{ "{\"cpu\":{\"quota\":50000,\"burst\":20000}}", CGROUP_CPU, "cpu.cfs_burst_us",
		  "20000", "cpu.max.burst", "20000" },
		{ "{\"cpu\":{\"idle\":1,\"shares\":2048}}", CGROUP_CPU, "cpu.idle", "1", "cpu.idle",
		  "1" },
		{ "{\"cpu\":{\"idle\":0,\"shares\":2048}}", CGROUP_CPU, "cpu.shares", "2048",
		  "cpu.weight", "174" },
		{ "{\"cpu\":{\"cpus\":\"0\"}}", CGROUP_CPUSET, "cpuset.cpus", "0", "cpuset.cpus",
		  "0" },
		{ "{\"cpu\":{\"mems\":\"0\"}}", CGROUP_CPUSET, "cpuset.mems", "0", "cpuset.mems",
		  "0" },
		{ "{\"pids\":{\"limit\":17}}", CGROUP_PIDS, "pids.max", "17", "pids.max", "17" },
		{ "{\"pids\":{\"limit\":0}}", CGROUP_PIDS, "pids.max", "max", "pids.max", "max" },
		{ "{\"pids\":{\"limit\":-1}}", CGROUP_PIDS, "pids.max", "max", "pids.max", "max" },
		{ "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]}", CGROUP_HUGETLB,
		  "hugetlb.2MB.limit_in_bytes", "4194304", "hugetlb.2MB.max", "4194304" },
		{ "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":6291456}]}", CGROUP_HUGETLB,
		  "hugetlb.2MB.rsvd.limit_in_bytes", "6291456", "hugetlb.2MB.rsvd.max", "6291456" },
		{ "{\"network\":{\"classID\":1048577}}", CGROUP_NET_CLS, "net_cls.classid",
		  "1048577", NULL, NULL },
		{ "{\"network\":{\"priorities\":[{\"name\":\"lo\",\"priority\":5}]}}",
		  CGROUP_NET_PRIO, "net_prio.ifpriomap", "~lo 5", NULL, NULL },
	};
	_cleanup_cgroup_ struct cgroup *cgroup = create(CGROUP_ALL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int version = cgroup_version(cgroup, rows[i].controller);

		if (version < 0 || (version == 2 && !rows[i].v2))
			continue;
		apply(cgroup, rows[i].text);
		has(cgroup, rows[i].controller, version == 1 ? rows[i].v1 : rows[i].v2,
		    version == 1 ? rows[i].v1_value : rows[i].v2_value);
	}
}

static void memory_goes_up_and_down_together_with_swap(void **state)
{
	static const struct {
		const char *text, *limit, *both, *swap;
	} steps[] = {
		{ "{\"memory\":{\"limit\":67108864,\"swap\":67108864}}", "67108864", "67108864",
		  "0" },
		{ "{\"memory\":{\"limit\":134217728,\"swap\":134217728}}", "134217728", "134217728",
		  "0" },
		{ "{\"memory\":{\"limit\":268435456,\"swap\":402653184}}", "268435456", "402653184",
		  "134217728" },
		{ "{\"memory\":{\"limit\":33554432,\"swap\":50331648}}", "33554432", "50331648",
		  "16777216" },
		{ "{\"memory\":{\"limit\":41943040}}", "41943040", "50331648", "16777216" },
		{ "{\"memory\":{\"limit\":41943040,\"swap\":83886080}}", "41943040", "83886080",
		  "41943040" },
		{ "{\"memory\":{\"swap\":62914560}}", "41943040", "62914560", "20971520" },
		{ "{\"memory\":{\"limit\":0,\"swap\":0,\"reservation\":0}}", "41943040", "62914560",
		  "20971520" },
		{ "{\"memory\":{\"limit\":41943040,\"swap\":-1}}", "41943040",
		  "9223372036854771712", "max" },
		{ "{\"memory\":{\"limit\":16777216,\"swap\":16777216}}", "16777216", "16777216",
		  "0" },
	};
	_cleanup_cgroup_ struct cgroup *cgroup = create(CGROUP_ALL);
	int v1 = cgroup_version(cgroup, CGROUP_MEMORY) == 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		apply(cgroup, steps[i].text);
		has(cgroup, CGROUP_MEMORY, v1 ? "memory.limit_in_bytes" : "memory.max",
		    steps[i].limit);
		has(cgroup, CGROUP_MEMORY, v1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max",
		    v1 ? steps[i].both : steps[i].swap);
	}
	refuses(cgroup, "{\"memory\":{\"limit\":33554432,\"swap\":16777216}}", -EINVAL,
		"linux.resources.memory.swap: 16777216 is less");
	if (v1)
		refuses(cgroup, "{\"memory\":{\"limit\":33554432}}", -EINVAL,
			"linux.resources.memory.limit: 33554432 is above the 16777216");
	/* one word lifts both */
	apply(cgroup, "{\"memory\":{\"limit\":-1}}");
	has(cgroup, CGROUP_MEMORY, v1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max",
	    v1 ? "9223372036854771712" : "max");
	if (!v1)
		refuses(cgroup, "{\"memory\":{\"swap\":16777216}}", -EINVAL,
			"linux.resources.memory.swap");
}

#define USED (32 << 20)

/* A process of the group with that much memory of its own. */
static pid_t spawn_user(const struct cgroup *cgroup)
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
		char *p;

		if (cgroup_join(&entry, 0) < 0)
			_exit(1);
		p = mmap(NULL, USED, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (p == MAP_FAILED || write(ready[1], "", 1) != 1)
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

static void a_limit_below_what_is_in_use_is_refused(void **state)
{
	_cleanup_cgroup_ struct cgroup *cgroup = create(CGROUP_ALL);
	pid_t pid = spawn_user(cgroup);

	(void)state;
	refuses(cgroup, "{\"memory\":{\"limit\":8388608,\"checkBeforeUpdate\":true}}", -EBUSY,
		"linux.resources.memory.limit: 8388608 bytes are less than the ");
	/* version 2 would kill */
	if (cgroup_version(cgroup, CGROUP_MEMORY) == 1)
		refuses(cgroup, "{\"memory\":{\"limit\":8388608}}", -EBUSY,
			"linux.resources.memory.limit: 8388608 bytes are less than what is in use");
	apply(cgroup, "{\"memory\":{\"limit\":67108864,\"checkBeforeUpdate\":true}}");
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void processor_time_goes_up_and_down_together_with_burst(void **state)
{
	static const struct {
		const char *text, *quota, *period, *max, *burst;
	} steps[] = {
		{ "{\"cpu\":{\"quota\":50000,\"period\":100000,\"burst\":20000}}", "50000",
		  "100000", "50000 100000", "20000" },
		{ "{\"cpu\":{\"quota\":20000,\"burst\":10000}}", "20000", "100000", "20000 100000",
		  "10000" },
		{ "{\"cpu\":{\"quota\":400000,\"period\":200000,\"burst\":300000}}", "400000",
		  "200000", "400000 200000", "300000" },
		{ "{\"cpu\":{\"quota\":2000,\"period\":1000,\"burst\":0}}", "2000", "1000",
		  "2000 1000", "0" },
		{ "{\"cpu\":{\"quota\":0,\"period\":0,\"shares\":0}}", "2000", "1000", "2000 1000",
		  "0" },
		{ "{\"cpu\":{\"quota\":-1,\"period\":100000}}", "-1", "100000", "max 100000", "0" },
	};
	_cleanup_cgroup_ struct cgroup *cgroup = create(CGROUP_ALL);
	int version = cgroup_version(cgroup, CGROUP_CPU);

	(void)state;
	if (version < 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		apply(cgroup, steps[i].text);
		if (version == 2) {
			has(cgroup, CGROUP_CPU, "cpu.max", steps[i].max);
			has(cgroup, CGROUP_CPU, "cpu.max.burst", steps[i].burst);
			continue;
		}
		has(cgroup, CGROUP_CPU, "cpu.cfs_quota_us", steps[i].quota);
		has(cgroup, CGROUP_CPU, "cpu.cfs_period_us", steps[i].period);
		has(cgroup, CGROUP_CPU, "cpu.cfs_burst_us", steps[i].burst);
	}
	refuses(cgroup, "{\"cpu\":{\"quota\":20000,\"burst\":30000}}", -EINVAL,
		"linux.resources.cpu.burst: 30000 is more than cpu.quota, 20000");
	refuses(cgroup, "{\"cpu\":{\"quota\":1}}", -EINVAL, "linux.resources.cpu.quota: ");
}

/* In version 1 a group gets of its parent's, which has none at first. */
static void realtime_is_of_version_1(void **state)
{
	_cleanup_cgroup_ struct cgroup *cgroup = create(CGROUP_ALL), *parent = NULL;
	int version = cgroup_version(cgroup, CGROUP_CPU);
	_cleanup_free_ char *now = NULL;

	(void)state;
	if (version == 2)
		refuses(cgroup, "{\"cpu\":{\"realtimeRuntime\":1000}}", -EOPNOTSUPP,
			"linux.resources.cpu.realtimeRuntime: version 2 of cgroups");
	if (version != 1 || cgroup_read(cgroup, CGROUP_CPU, "cpu.rt_runtime_us", &now) < 0)
		return;
	refuses(cgroup, "{\"cpu\":{\"realtimeRuntime\":1000}}", -EINVAL,
		"linux.resources.cpu.realtimeRuntime: cannot write 1000 to cpu.rt_runtime_us");
	assert_int_equal(cgroup_open(top, &parent), 0);
	assert_int_equal(cgroup_write(parent, CGROUP_CPU, "cpu.rt_runtime_us", "50000"), 0);
	apply(cgroup, "{\"cpu\":{\"realtimeRuntime\":1000,\"realtimePeriod\":500000}}");
	has(cgroup, CGROUP_CPU, "cpu.rt_runtime_us", "1000");
	has(cgroup, CGROUP_CPU, "cpu.rt_period_us", "500000");
	apply(cgroup, "{\"cpu\":{\"realtimeRuntime\":200,\"realtimePeriod\":5000}}");
	has(cgroup, CGROUP_CPU, "cpu.rt_period_us", "5000");
}

static int parse(const char *text, int *ret)
{
	struct err err = ERR_INIT;
	int64_t value = 0;
	int r = units_parse_int(text, 0, INT32_MAX, &value, &err);

	*ret = (int)value;
	return r == 0;
}

/* Some disk of this host, for the kernel takes no number that is none. */
static int find_disk(int *major, int *minor)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/partitions", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		_cleanup_strv_ char **words = strv_split(line, " \n");

		if (strv_len(words) == 4 && parse(words[0], major) && parse(words[1], minor))
			return 0;
	}
	return -ENOENT;
}

static void disks_are_throttled_each_by_its_number(void **state)
{
	static const struct {
		const char *member, *v1, *v2;
	} rows[] = {
		{ "throttleReadBpsDevice", "blkio.throttle.read_bps_device",
		  "rbps=1048576 wbps=max riops=max wiops=max" },
		{ "throttleWriteBpsDevice", "blkio.throttle.write_bps_device",
		  "rbps=max wbps=1048576 riops=max wiops=max" },
		{ "throttleReadIOPSDevice", "blkio.throttle.read_iops_device",
		  "rbps=max wbps=max riops=1048576 wiops=max" },
		{ "throttleWriteIOPSDevice", "blkio.throttle.write_iops_device",
		  "rbps=max wbps=max riops=max wiops=1048576" },
	};
	_cleanup_cgroup_ struct cgroup *cgroup = create(CGROUP_ALL);
	int version = cgroup_version(cgroup, CGROUP_BLKIO), major = 0, minor = 0;

	(void)state;
	if (version < 0 || find_disk(&major, &minor) < 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const char format[] =
			"{\"blockIO\":{\"%s\":[{\"major\":%d,\"minor\":%d,\"rate\":%d}]}}";
		_cleanup_free_ char *on = mem_printf(format, rows[i].member, major, minor, 1048576);
		_cleanup_free_ char *off = mem_printf(format, rows[i].member, major, minor, 0);
		_cleanup_free_ char *v1 = mem_printf("%d:%d 1048576", major, minor);
		_cleanup_free_ char *v2 = mem_printf("%d:%d %s", major, minor, rows[i].v2);

		apply(cgroup, on);
		has(cgroup, CGROUP_BLKIO, version == 1 ? rows[i].v1 : "io.max",
		    version == 1 ? v1 : v2);
		apply(cgroup, off);
		has(cgroup, CGROUP_BLKIO, version == 1 ? rows[i].v1 : "io.max", "");
	}
	refuses(cgroup,
		"{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":4095,\"minor\":9,\"rate\":1}]}"
		"}",
		-ENODEV, "linux.resources.blockIO.throttleReadBpsDevice[0]: cannot write 4095:9 ");
}

static void a_weight_of_disks_stands_in_the_file_that_the_kernel_has(void **state)
{
	static const struct {
		int version;
		const char *file, *value;
	} files[] = {
		{ 1, "blkio.bfq.weight", "~500" },
		{ 1, "blkio.weight", "~500" },
		{ 2, "io.bfq.weight", "~500" },
		{ 2, "io.weight", "~4950" },
	};
	_cleanup_cgroup_ struct cgroup *cgroup = create(CGROUP_ALL);
	int version = cgroup_version(cgroup, CGROUP_BLKIO);
	struct err err = ERR_INIT;
	int found = 0;

	(void)state;
	if (version < 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(files) && !found; i++) {
		_cleanup_free_ char *text = NULL;

		if (files[i].version != version ||
		    cgroup_read(cgroup, CGROUP_BLKIO, files[i].file, &text) < 0)
			continue;
		apply(cgroup, "{\"blockIO\":{\"weight\":500,\"leafWeight\":0}}");
		has(cgroup, CGROUP_BLKIO, files[i].file, files[i].value);
		found = 1;
	}
	if (!found)
		refuses(cgroup, "{\"blockIO\":{\"weight\":500}}", -ENOENT,
			"linux.resources.blockIO.weight: the kernel has no file ");
	assert_true(try_apply(cgroup,
			      "{\"blockIO\":{\"weightDevice\":[{\"major\":4095,\"minor\":9,"
			      "\"weight\":500}]}}",
			      &err) < 0);
	assert_non_null(strstr(err.msg, "linux.resources.blockIO.weightDevice[0]: "));
}

static void a_missing_controller_is_an_error_that_names_the_member(void **state)
{
	static const struct {
		const char *text, *member;
	} rows[] = {
		{ "{\"pids\":{\"limit\":17}}", "pids.limit" },
		{ "{\"cpu\":{\"shares\":512}}", "cpu.shares" },
		{ "{\"cpu\":{\"quota\":50000,\"period\":100000}}", "cpu.quota" },
		{ "{\"cpu\":{\"burst\":1000}}", "cpu.burst" },
		{ "{\"cpu\":{\"realtimeRuntime\":1000}}", "cpu.realtimeRuntime" },
		{ "{\"cpu\":{\"idle\":1}}", "cpu.idle" },
		{ "{\"cpu\":{\"cpus\":\"0\"}}", "cpu.cpus" },
		{ "{\"cpu\":{\"mems\":\"0\"}}", "cpu.mems" },
		{ "{\"blockIO\":{\"weight\":500}}", "blockIO.weight" },
		{ "{\"blockIO\":{\"leafWeight\":500}}", "blockIO.leafWeight" },
		{ "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":0}]}",
		  "hugepageLimits[0]" },
		{ "{\"network\":{\"classID\":7}}", "network.classID" },
		{ "{\"network\":{\"priorities\":[{\"name\":\"lo\",\"priority\":5}]}}",
		  "network.priorities[0]" },
		{ "{\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3}}}", "rdma[\"mlx5_1\"]" },
	};
	_cleanup_cgroup_ struct cgroup *cgroup = create(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *message =
			mem_printf("linux.resources.%s: this host has no cgroup controller for it",
				   rows[i].member);

		refuses(cgroup, rows[i].text, -EOPNOTSUPP, message);
	}
}

static void what_asks_for_no_limit_needs_no_controller(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"pids\":{\"limit\":0}}",
		"{\"pids\":{\"limit\":-1}}",
		("{\"memory\":{\"limit\":0,\"swap\":0,\"reservation\":0,\"kernel\":0,\"kernelTCP\":"
		 "0,"
		 "\"disableOOMKiller\":false,\"useHierarchy\":true}}"),
		"{\"memory\":{\"limit\":-1,\"swap\":-1,\"kernel\":-1,\"kernelTCP\":-1}}",
		"{\"memory\":{\"kernel\":1048576}}",
		("{\"cpu\":{\"shares\":0,\"quota\":0,\"period\":0,\"burst\":0,\"realtimeRuntime\":"
		 "0,"
		 "\"realtimePeriod\":0,\"cpus\":\"\",\"mems\":\"\",\"idle\":0}}"),
		"{\"cpu\":{\"quota\":-1,\"period\":100000,\"realtimePeriod\":1000000}}",
		"{\"blockIO\":{\"weight\":0,\"leafWeight\":0,\"weightDevice\":[]}}",
		"{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":0}]}}",
		"{\"hugepageLimits\":[],\"network\":{\"classID\":0,\"priorities\":[]},\"rdma\":{}}",
		"{\"unified\":{}}",
	};
	_cleanup_cgroup_ struct cgroup *cgroup = create(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		apply(cgroup, texts[i]);
}

static void what_the_kernel_refuses_is_told_with_what_was_written(void **state)
{
	static const struct {
		unsigned int controller;
		int code;
		const char *text, *part;
	} rows[] = {
		{ CGROUP_CPUSET, 0, "{\"cpu\":{\"cpus\":\"4000\"}}",
		  "linux.resources.cpu.cpus: cannot write 4000 to cpuset.cpus: " },
		{ CGROUP_CPUSET, -EINVAL, "{\"cpu\":{\"mems\":\"x\"}}",
		  "linux.resources.cpu.mems: cannot write x to cpuset.mems: Invalid argument" },
		{ CGROUP_HUGETLB, -ENOENT,
		  "{\"hugepageLimits\":[{\"pageSize\":\"3MB\",\"limit\":0}]}",
		  "linux.resources.hugepageLimits[0]: the kernel has no file hugetlb.3MB." },
		{ CGROUP_HUGETLB, -EINVAL,
		  "{\"hugepageLimits\":[{\"pageSize\":\"../2MB\",\"limit\":0}]}",
		  "linux.resources.hugepageLimits[0]: \"../2MB\" is no name" },
		{ CGROUP_CORE, -EINVAL,
		  "{\"network\":{\"priorities\":[{\"name\":\"a b\",\"priority\":1}]}}",
		  "linux.resources.network.priorities[0]: \"a b\" is no name" },
		{ CGROUP_CORE, -EINVAL, "{\"rdma\":{\"x\\ny\":{\"hcaHandles\":3}}}", "is no name" },
		{ CGROUP_CORE, -EINVAL, "{\"unified\":{\"cgroup.procs\":\"1\"}}",
		  "linux.resources.unified[\"cgroup.procs\"]: is not a file" },
		{ CGROUP_CORE, -EINVAL, "{\"unified\":{\"../memory.max\":\"1\"}}",
		  "linux.resources.unified[\"../memory.max\"]: is not a file" },
		{ CGROUP_CORE, -EINVAL, "{\"unified\":{\"\":\"1\"}}", "linux.resources.unified" },
		{ CGROUP_CORE, -ENOENT, "{\"unified\":{\"memory.most\":\"1\"}}",
		  "linux.resources.unified[\"memory.most\"]: the kernel has no file memory.most" },
	};
	_cleanup_cgroup_ struct cgroup *cgroup = create(CGROUP_ALL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		if (cgroup_version(cgroup, rows[i].controller) < 0)
			continue;
		assert_true(try_apply(cgroup, rows[i].text, &err) < 0);
		if ((rows[i].code && err.code != rows[i].code) || !strstr(err.msg, rows[i].part))
			fail_msg("%s: %d \"%s\"", rows[i].text, err.code, err.msg);
	}
}

static void files_of_version_2_are_set_by_name(void **state)
{
	_cleanup_cgroup_ struct cgroup *cgroup = create(CGROUP_ALL);

	(void)state;
	if (cgroup_version(cgroup, CGROUP_CORE) < 0) {
		refuses(cgroup, "{\"unified\":{\"memory.high\":\"1048576\"}}", -EOPNOTSUPP,
			"linux.resources.unified");
		return;
	}
	if (cgroup_version(cgroup, CGROUP_MEMORY) == 2) {
		/* it has the last word, and a value may have lines */
		apply(cgroup, "{\"memory\":{\"limit\":67108864},\"unified\":{\"memory.high\":"
			      "\"1048576\",\"memory.max\":\"8388608\\n16777216\"}}");
		has(cgroup, CGROUP_MEMORY, "memory.high", "1048576");
		has(cgroup, CGROUP_MEMORY, "memory.max", "16777216");
	} else {
		refuses(cgroup, "{\"unified\":{\"memory.high\":\"1048576\"}}", -ENOENT,
			"linux.resources.unified[\"memory.high\"]");
	}
	if (cgroup_version(cgroup, CGROUP_HUGETLB) == 2) {
		apply(cgroup, "{\"unified\":{\"hugetlb.2MB.max\":\"2097152\"}}");
		has(cgroup, CGROUP_HUGETLB, "hugetlb.2MB.max", "2097152");
	}
}

static void shares_become_weights_on_the_curve_that_engines_agree_on(void **state _unused_)
{
	static const struct {
		uint64_t shares, weight;
	} rows[] = {
		{ 0, 1 },	   { 2, 1 },
		{ 3, 2 },	   { 52, 11 },
		{ 102, 17 },	   { 512, 59 },
		{ 1024, 100 },	   { 2000, 170 },
		{ 2048, 174 },	   { 10000, 627 },
		{ 262143, 10000 }, { 262144, 10000 },
		{ 262145, 10000 }, { UINT64_MAX, 10000 },
	};
	uint64_t last = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(resources_cpu_weight(rows[i].shares), rows[i].weight);
	for (uint64_t shares = 2; shares <= 262144; shares += 61) {
		uint64_t weight = resources_cpu_weight(shares);

		assert_true(weight >= last && weight >= 1 && weight <= 10000);
		last = weight;
	}
}

static void weights_of_disks_become_weights_on_a_line(void **state _unused_)
{
	assert_int_equal(resources_io_weight(1), 1);
	assert_int_equal(resources_io_weight(10), 1);
	assert_int_equal(resources_io_weight(500), 4950);
	assert_int_equal(resources_io_weight(1000), 10000);
	assert_int_equal(resources_io_weight(UINT16_MAX), 10000);
}

static int device_rules(const char *text, struct cgroup_device **ret, size_t *ret_n,
			struct err *err)
{
	_cleanup_config_resources_ struct config_resources resources = { 0 };
	_cleanup_json_ struct json *json = NULL;

	assert_int_equal(json_parse(text, strlen(text), "text", &json, err), 0);
	assert_int_equal(config_read_resources(json, &resources, err), 0);
	return resources_device_rules(&resources, ret, ret_n, err);
}

static void is_rule(const struct cgroup_device *rule, char type, int64_t major, int64_t minor,
		    const char *access, int allow)
{
	assert_int_equal(rule->type, type);
	assert_int_equal(rule->major, major);
	assert_int_equal(rule->minor, minor);
	assert_string_equal(rule->access, access);
	assert_int_equal(rule->allow, allow);
}

static void devices_are_allowed_in_order_and_the_standard_ones_always(void **state _unused_)
{
	_cleanup_free_ struct cgroup_device *rules = NULL;
	struct err err = ERR_INIT;
	size_t n = 0, own;

	assert_int_equal(device_rules("{\"devices\":["
				      "{\"allow\":false,\"access\":\"rwm\"},"
				      "{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,"
				      "\"access\":\"rw\"},"
				      "{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":-1},"
				      "{\"allow\":false,\"type\":\"a\",\"major\":1,\"minor\":11},"
				      "{\"allow\":true,\"access\":\"m\"}]}",
				      &rules, &n, &err),
			 0);
	own = n - 10;
	assert_int_equal(own, 8);
	is_rule(&rules[0], 'a', -1, -1, "rwm", 0);
	is_rule(&rules[1], 'a', -1, -1, "rwm", 0);
	is_rule(&rules[2], 'c', 10, 229, "rw", 1);
	is_rule(&rules[3], 'b', 8, -1, "rwm", 1);
	/* of both kinds, not of everything */
	is_rule(&rules[4], 'b', 1, 11, "rwm", 0);
	is_rule(&rules[5], 'c', 1, 11, "rwm", 0);
	is_rule(&rules[6], 'b', -1, -1, "m", 1);
	is_rule(&rules[7], 'c', -1, -1, "m", 1);
	is_rule(&rules[own + 2], 'c', 5, 2, "rwm", 1);
	is_rule(&rules[own + 3], 'c', 136, -1, "rwm", 1);
	is_rule(&rules[own + 4], 'c', 1, 3, "rwm", 1);
}

static void devices_that_make_no_sense_are_refused(void **state _unused_)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{ "{\"devices\":[{\"allow\":true,\"type\":\"x\"}]}",
		  "linux.resources.devices[0].type: \"x\"" },
		{ "{\"devices\":[{\"allow\":true},{\"allow\":true,\"access\":\"rx\"}]}",
		  "linux.resources.devices[1].access: \"rx\"" },
		{ "{\"devices\":[{\"allow\":true,\"access\":\"rrrr\"}]}",
		  "linux.resources.devices[0].access" },
	};
	struct config_device_rule *many = mem_zalloc(CGROUP_DEVICES_MAX * sizeof(*many));
	struct config_resources resources = { .devices = many, .n_devices = CGROUP_DEVICES_MAX };
	_cleanup_free_ struct cgroup_device *rules = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(device_rules(rows[i].text, &rules, &n, &err), -EINVAL);
		assert_non_null(strstr(err.msg, rows[i].part));
	}
	assert_int_equal(resources_device_rules(&resources, &rules, &n, &err), -E2BIG);
	free(many);
}

static void the_rules_about_devices_can_be_set(void **state)
{
	_cleanup_cgroup_ struct cgroup *cgroup = create(CGROUP_ALL);
	_cleanup_free_ struct cgroup_device *rules = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;

	(void)state;
	assert_int_equal(device_rules("{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
				      "{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,"
				      "\"access\":\"rw\"}]}",
				      &rules, &n, &err),
			 0);
	if (cgroup_set_devices(cgroup, rules, n, &err) < 0)
		fail_msg("%s", err.msg);
	if (cgroup_version(cgroup, CGROUP_DEVICES) == 1) {
		has(cgroup, CGROUP_DEVICES, "devices.list", "~c 10:229 rw\n");
		has(cgroup, CGROUP_DEVICES, "devices.list", "~c 136:* rwm");
		has(cgroup, CGROUP_DEVICES, "devices.list", "~b *:* m");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define HOST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		HOST(every_limit_stands_in_its_file),
		HOST(memory_goes_up_and_down_together_with_swap),
		HOST(a_limit_below_what_is_in_use_is_refused),
		HOST(processor_time_goes_up_and_down_together_with_burst),
		HOST(realtime_is_of_version_1),
		HOST(disks_are_throttled_each_by_its_number),
		HOST(a_weight_of_disks_stands_in_the_file_that_the_kernel_has),
		HOST(a_missing_controller_is_an_error_that_names_the_member),
		HOST(what_asks_for_no_limit_needs_no_controller),
		HOST(what_the_kernel_refuses_is_told_with_what_was_written),
		HOST(files_of_version_2_are_set_by_name),
		HOST(the_rules_about_devices_can_be_set),
		cmocka_unit_test(shares_become_weights_on_the_curve_that_engines_agree_on),
		cmocka_unit_test(weights_of_disks_become_weights_on_a_line),
		cmocka_unit_test(devices_are_allowed_in_order_and_the_standard_ones_always),
		cmocka_unit_test(devices_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
