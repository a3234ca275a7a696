// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/cgroup-internal.h"
#include "base/file.h"
#include "sys/cgroup_bpf.h"

#define CGROUP_V2_PERIOD_US 100000

static int cgroup_v2_set_memory(int fd, int64_t bytes)
{
	int r = cgroup_write_number(fd, "memory.max", bytes);

	if (r < 0)
		return r;
	/* Swap is limited apart from memory here: none, so that the limit is one of both together.
	 */
	r = cgroup_write_number(fd, "memory.swap.max", 0);
	return r == -ENOENT ? 0 : r;
}

static int cgroup_v2_set_cpus(int fd, int64_t milli)
{
	char text[64];

	snprintf(text, sizeof(text), "%lld %d", (long long)milli * (CGROUP_V2_PERIOD_US / 1000),
		 CGROUP_V2_PERIOD_US);
	return file_write_value(fd, "cpu.max", text);
}

static int cgroup_v2_set_pids(int fd, int64_t n)
{
	return cgroup_write_number(fd, "pids.max", n);
}

static int cgroup_v2_freeze(int fd, int frozen)
{
	return file_write_value(fd, "cgroup.freeze", frozen ? "1" : "0");
}

/* cgroup.freeze is what was asked of this group, the event says whether a parent's did it. */
static int cgroup_v2_is_frozen(int fd)
{
	uint64_t asked = 0, frozen = 0;
	int r = cgroup_read_number(fd, "cgroup.freeze", &asked);

	if (r == 0 && !asked)
		r = cgroup_read_key(fd, "cgroup.events", "frozen", &frozen);
	return r < 0 ? r : asked || frozen;
}

static int cgroup_v2_kill(int fd)
{
	return file_write_value(fd, "cgroup.kill", "1");
}

const struct cgroup_ops cgroup_v2_ops = {
	.version = 2,
	.join_file = "cgroup.procs",
	.set_memory = cgroup_v2_set_memory,
	.set_cpus = cgroup_v2_set_cpus,
	.set_pids = cgroup_v2_set_pids,
	.set_devices = cgroup_bpf_attach,
	.freeze = cgroup_v2_freeze,
	.is_frozen = cgroup_v2_is_frozen,
	.kill = cgroup_v2_kill,
};
