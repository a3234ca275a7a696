/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_LAUNCH_H
#define CONTAINER_LAUNCH_H

#include <sys/types.h>

#include "base/err.h"
#include "container/listener.h"
#include "container/net_devices.h"
#include "container/spec.h"

/* A container on its way up: what launch_run() makes of a spec. Release it in any case. */
struct launch {
	struct cgroup *cgroup;
	pid_t pid; /* of its first process, on the host; 0: there is none */
	int pidfd;
	int sock;   /* struct inner_report come in; its end is execve */
	int hooked; /* hooks were run, so that those of the end are due (runtime.md, "Lifecycle") */
	int stdio
		[3]; /* our ends of its streams; negative: none, or a terminal that comes by sock */
	struct net_devices net_devices;
};
#define LAUNCH_INIT                                            \
	((struct launch){ .pidfd = -EBADF,                     \
			  .sock = -EBADF,                      \
			  .stdio = { -EBADF, -EBADF, -EBADF }, \
			  .net_devices = NET_DEVICES_INIT })

/*
 * Starts the container and returns while it is still setting itself up; what goes wrong from then on comes by
 * sock. cache_dir: for compiled filters; may be NULL. gate: as container/gate.h makes it, or negative. On failure
 * nothing is left.
 */
int launch_run(const struct spec *spec, const char *cache_dir, int gate, struct launch *ret,
	       struct err *err);

/*
 * Whether the launcher has nothing to do for it from its clone to its program, and it may share our memory until then
 * (sys/spawn.h): if spec->at_once says so it does, and launch_run() returns when its program runs, or will not. What it
 * said waits in the socket: launch_wait_exec() hears it.
 */
int launch_can_go_at_once(const struct spec *spec);

/* If the first process has failed before us, our own failure, err, is only what followed from that: its is put in its
 * place. The value is its code. */
int launch_first_reason(struct launch *launch, struct err *err);

/* Its cgroup alone, with its limits, for who makes the processes in another way. On failure it is still for
 * launch_release(). */
int launch_make_group(const struct spec *spec, struct launch *launch, struct err *err);
/* Pipes for its standard streams, as launch_run() makes them: ours in launch->stdio, the container's in theirs, which
 * the caller closes. On failure ours are still for launch_release(). */
int launch_make_pipes(const struct spec *spec, struct launch *launch, int theirs[3],
		      struct err *err);
/* What launch_detach() does, for a process that does not know of us. */
void launch_let_go(struct launch *launch);

/*
 * For a gated one: waits until it is set up, and meanwhile gives it its interfaces and runs the hooks of that time. *ret_terminal: the
 * master of its terminal, -EBADF without; the caller closes it. On failure it is still for launch_release().
 */
int launch_wait(struct launch *launch, const struct spec *spec, int *ret_terminal, struct err *err);
/* Starts what waits; returns once its program runs. */
int launch_start(struct launch *launch, const struct spec *spec, struct err *err);
/* It goes on waiting, at its gate, without us; launch_release() leaves it and its cgroup alone from now on. */
int launch_detach(struct launch *launch, struct err *err);

/* The other end of a connection to a first process, or to one that joined: hears whether its program runs.
 * pid: of that process, for listener, who gets its filter's descriptor; NULL where there is none. ret_terminal as
 * above, NULL where none can come. */
int launch_wait_exec(int sock, pid_t pid, struct listener *listener, int *ret_terminal,
		     struct err *err);

/* Kills and reaps the first process if it is still there, removes the cgroup. */
void launch_release(struct launch *launch);

#endif
