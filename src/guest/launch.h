/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_LAUNCH_H
#define GUEST_LAUNCH_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "guest/limits.h"
#include "proto/process.h"

/* Starting a child of the agent: a program in the instance, or work of ours there. */
struct launch_spec {
	const struct process *process;		 /* what to run; or NULL and */
	int (*work)(void *ctx, struct err *err); /* what to do, with stdin and stdout as its data */
	void *work_ctx;

	/* The way into the instance, taken by the child before all else. */
	int (*enter)(void *ctx, struct err *err);
	void *enter_ctx;
	uint64_t namespaces; /* CLONE_NEW* of its birth */
	int pid_namespace;   /* descriptor of the PID namespace of its birth; negative: ours */
	int cgroup;	     /* descriptor of the cgroup of its birth; negative: ours */

	int init;    /* the child reaps as PID 1, the program is a child of it */
	int console; /* the terminal is /dev/console */
	const struct limits *limits;
};

#define LAUNCH_SPEC_INIT ((struct launch_spec){ .pid_namespace = -EBADF, .cgroup = -EBADF })

/* A child as its parent sees it; every descriptor is the owner's and does not block. */
struct launch {
	pid_t pid;
	int pidfd;
	int status; /* see launch_report() */
	/* our ends of its stdin, stdout and stderr; -EBADF: none (a terminal comes by a report) */
	int in, out, err;
};

void launch_release(struct launch *launch); /* closes; the child goes on */

/* Returns 0 or -errno; what fails in the child comes as a report. */
int launch_start(const struct launch_spec *spec, struct launch *ret, struct err *err);

enum launch_event {
	LAUNCH_TERMINAL, /* fd is the terminal's master, the caller's from now on */
	LAUNCH_PID,	 /* pid as the instance sees it */
	LAUNCH_FAILED,	 /* err: it could not become the program, or the work failed */
	LAUNCH_DONE, /* no more reports: without a failure before, the program or work has begun */
};

struct launch_report {
	int event; /* enum launch_event */
	int fd;
	uint32_t pid;
	struct err err;
};

/* The next report from the status descriptor: 1, or 0 if there is none yet. */
int launch_report(int status, struct launch_report *ret);

#endif
