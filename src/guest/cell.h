/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_CELL_H
#define GUEST_CELL_H

#include "base/err.h"
#include "guest/launch.h"
#include "guest/limits.h"
#include "proto/guest.h"
#include "proto/process.h"

/*
 * Where the instance lives in its machine: a mount, PID and cgroup namespace below the agent's, so that
 * the workload is PID 1 as in a container, and the agent is neither seen nor ended by it.
 */
struct cell {
	const struct guest_config *config;
	struct limits limits;
	int cgroup; /* descriptor of the instance's cgroup */
	pid_t pid;  /* of PID 1, as the agent sees it; 0: none yet, or no more */
	int pidfd;
	int limits_processes; /* the cgroup counts them */
};

/* The agent's part: limits checked, cgroup made. The config outlives the cell. */
int cell_init(struct cell *cell, const struct guest_config *config, struct err *err);

/* How many processes the instance has at most, from now on; 0: any. */
int cell_limit_processes(struct cell *cell, uint64_t limit, struct err *err);

/* The main workload, once; its root is DISK_ROOT. */
int cell_run(struct cell *cell, const struct process *process, struct launch *ret, struct err *err);

/* A further process next to it. -ESRCH when the workload has ended. */
int cell_exec(struct cell *cell, const struct process *process, struct launch *ret,
	      struct err *err);

/* fn in a child whose root, stdin and stdout are the instance's and ours. */
int cell_work(struct cell *cell, int (*fn)(void *ctx, struct err *err), void *ctx,
	      struct launch *ret, struct err *err);

/* The calling process, a child of the agent's, sees the instance's files as its own from then on. */
int cell_join_files(const struct cell *cell, struct err *err);

/* PATH[:OPTIONS] as of guest_config's shares, in the calling process's root. -EINVAL: no device has that tag (yet). */
int cell_mount_share(const char *text, const char *tag, struct err *err);

/* The workload was reaped. Its wait status as the exit status that users see. */
int cell_ended(struct cell *cell, int status);

#endif
