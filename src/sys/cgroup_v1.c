// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/cgroup-internal.h"
#include "base/file.h"

#define CGROUP_V1_PERIOD_US 100000

static int cgroup_v1_set_memory(int fd, int64_t bytes)
{
	int r = cgroup_write_number(fd, "memory.limit_in_bytes", bytes);

	if (r < 0)
		return r;
	/* Only kernels that account swap have it; without, swap use is not limited. */
	r = cgroup_write_number(fd, "memory.memsw.limit_in_bytes", bytes);
	return r == -ENOENT ? 0 : r;
}

static int cgroup_v1_set_cpus(int fd, int64_t milli)
{
	int r = cgroup_write_number(fd, "cpu.cfs_period_us", CGROUP_V1_PERIOD_US);

	if (r < 0)
		return r;
	return cgroup_write_number(fd, "cpu.cfs_quota_us", milli * (CGROUP_V1_PERIOD_US / 1000));
}

static int cgroup_v1_set_pids(int fd, int64_t n)
{
	return cgroup_write_number(fd, "pids.max", n);
}

static int cgroup_v1_freeze(int fd, int frozen)
{
	return file_write_value(fd, "freezer.state", frozen ? "FROZEN" : "THAWED");
}

static int cgroup_v1_kill(_unused_ int fd)
{
	return -ENOENT;
}

static void cgroup_v1_stats(int fd, unsigned int controllers, struct cgroup_stats *stats)
{
	if (controllers & CGROUP_MEMORY) {
		uint64_t inactive = 0;

		(void)cgroup_read_number(fd, "memory.usage_in_bytes", &stats->memory);
		(void)cgroup_read_key(fd, "memory.stat", "total_inactive_file", &inactive);
		stats->memory -= inactive < stats->memory ? inactive : stats->memory;
		(void)cgroup_read_key(fd, "memory.oom_control", "oom_kill", &stats->oom_kills);
	}
	if (controllers & CGROUP_CPUACCT)
		(void)cgroup_read_number(fd, "cpuacct.usage", &stats->cpu_ns);
	if (controllers & CGROUP_PIDS)
		(void)cgroup_read_number(fd, "pids.current", &stats->pids);
}

const struct cgroup_ops cgroup_v1_ops = {
	.version = 1,
	.join_file = "tasks",
	.set_memory = cgroup_v1_set_memory,
	.set_cpus = cgroup_v1_set_cpus,
	.set_pids = cgroup_v1_set_pids,
	.freeze = cgroup_v1_freeze,
	.kill = cgroup_v1_kill,
	.stats = cgroup_v1_stats,
};
