/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_LAUNCH_H
#define CONTAINER_LAUNCH_H

#include <sys/types.h>

#include "base/err.h"
#include "container/spec.h"

/* A container on its way up: what launch_run() makes of a spec. Release it in any case. */
struct launch {
	struct cgroup *cgroup;
	pid_t pid; /* of its first process, on the host; 0: there is none */
	int pidfd;
	int sock; /* struct inner_report come in; its end is execve */
	int stdio
		[3]; /* our ends of its streams; negative: none, or a terminal that comes by sock */
};
#define LAUNCH_INIT \
	((struct launch){ .pidfd = -EBADF, .sock = -EBADF, .stdio = { -EBADF, -EBADF, -EBADF } })

/*
 * Starts the container and returns while it is still setting itself up; what goes wrong from then on comes by
 * sock. cache_dir: for compiled filters. On failure nothing is left.
 */
int launch_run(const struct spec *spec, const char *cache_dir, struct launch *ret, struct err *err);

/* Kills and reaps the first process if it is still there, removes the cgroup. */
void launch_release(struct launch *launch);

#endif
