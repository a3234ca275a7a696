/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_AGENT_H
#define GUEST_AGENT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "guest/launch.h"
#include "guest/plug.h"
#include "proto/message.h"
#include "proto/process.h"

/*
 * The configured agent: answers the requests that come over the port (proto/message.h) until it is told
 * to shut down. What it does to the machine is behind an ops table, so that tests run it anywhere.
 */
struct agent;

struct agent_ops {
	int (*run)(void *ctx, const struct process *process, struct launch *ret, struct err *err);
	int (*exec)(void *ctx, const struct process *process, struct launch *ret, struct err *err);
	int (*work)(void *ctx, int (*fn)(void *fn_ctx, struct err *err), void *fn_ctx,
		    struct launch *ret, struct err *err);
	/* Work as MESSAGE_FREEZE wants it; and its undoing, should that have been killed. */
	int (*freeze)(void *ctx, struct launch *ret, struct err *err);
	void (*thaw)(void *ctx);
	/* Work as MESSAGE_PLUG and MESSAGE_UNPLUG want it. */
	int (*plug)(void *ctx, const struct plug *plug, struct launch *ret, struct err *err);
	/* The workload was reaped with this wait status; returns its exit status. */
	int (*ended)(void *ctx, int status);
	/* As MESSAGE_TUNE wants it. */
	int (*tune)(void *ctx, const struct message_tune *tune, struct err *err);
	int (*stats)(struct buf *payload, struct err *err);
	int (*processes)(struct buf *payload, struct err *err);
};

int agent_new(struct loop *loop, int port, const struct agent_ops *ops, void *ctx,
	      struct agent **ret, struct err *err);
struct agent *agent_free(struct agent *agent);

/* Tells the host a line of the kernel's of a process that want of memory killed, while there is a workload. */
void agent_tell_oom(struct agent *agent, const char *line);

/* Sends OK, serves; returns 0 on SHUTDOWN or the port's end, -errno if the other side broke the
 * protocol. */
int agent_run(struct agent *agent, struct err *err);

#endif
