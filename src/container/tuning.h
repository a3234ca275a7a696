/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_TUNING_H
#define CONTAINER_TUNING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/privilege.h"
#include "container/config.h"

/*
 * What a process of a container is set to before it gives up its identity: checked while the configuration is
 * read, in the kernel's terms from then on, and applied without allocation. config.md, "Linux Process" and
 * "POSIX process"; config-linux.md, "Personality" and "Memory policy".
 */

#define TUNING_CPUS_MAX	 8192 /* CONFIG_NR_CPUS at most */
#define TUNING_NODES_MAX 1024 /* CONFIG_NODES_SHIFT is 10 at most */
#define TUNING_WORD	 (8 * sizeof(unsigned long))

/* struct sched_attr of sched_setattr(2), its second version. */
struct tuning_scheduler {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t clamp_min, clamp_max;
};

struct tuning {
	int oom_score_adj, has_oom_score_adj;
	struct tuning_scheduler scheduler;
	int has_scheduler;
	int io_priority, has_io_priority; /* as ioprio_set(2) takes it */
	unsigned long personality;
	int has_personality;
	int memory_mode, has_memory_policy; /* with the flags */
	unsigned long nodes[TUNING_NODES_MAX / TUNING_WORD];
	int has_nodes;
	unsigned long initial[TUNING_CPUS_MAX / TUNING_WORD], final[TUNING_CPUS_MAX / TUNING_WORD];
	int has_initial, has_final;
};

/* What is set when. All but the first is for a process that is in the container's cgroup by then. */
enum tuning_time {
	TUNING_JOINING, /* exec: of the process that is about to join the cgroup */
	TUNING_JOINED,	/* exec */
	/* What takes capabilities on the host: those of a user namespace do not count. So it is set by the keeper, or
	 * by the process before it enters one. A policy SCHED_DEADLINE forbids fork(). */
	TUNING_PRIVILEGED,
	/* By the process that becomes the workload, for itself; needs no capability. */
	TUNING_READY,
};

/*
 * linux may be NULL: a process comes without one. execCPUAffinity is not for a container's first process: it
 * is checked, but only TUNING_JOINING and TUNING_JOINED apply it. The error begins with the member's path.
 */
int tuning_of_config(const struct config_process *process, const struct config_linux *linux_config,
		     struct tuning *ret, struct err *err);

/*
 * pid: 0 is the calling thread; another one, as proc's pid namespace and ours see it, but not with TUNING_READY. proc:
 * the root of a procfs (sys/procfs.h), which TUNING_PRIVILEGED alone needs.
 */
int tuning_apply(const struct tuning *tuning, enum tuning_time time, pid_t pid, int proc,
		 struct err *err);

/* process.rlimits for rlimit_apply(); *ret is the caller's to free, also on failure. */
int tuning_rlimits(const struct config_process *process, struct privilege_rlimit **ret,
		   size_t *ret_n, struct err *err);

/* The names that are known, for `features`: ended by NULL. */
extern const char *const tuning_memory_modes[], *const tuning_memory_flags[];

#endif
