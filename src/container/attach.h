/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_ATTACH_H
#define CONTAINER_ATTACH_H

#include "container/spec.h"
#include "proto/driver.h"
#include "sys/cgroup.h"

/* exec and enter of struct driver_ops: a client's way into a container. */
int attach_exec(const struct driver_target *target, const struct process *process,
		const int stdio[3], pid_t *ret_pid, int *ret_pty, struct err *err);
int attach_enter(const struct driver_target *target, int (*fn)(void *ctx), void *ctx,
		 pid_t *ret_pid, struct err *err);

/* The same for who knows the container by other means. */
struct attach_request {
	const struct spec *spec;     /* its process is the one to start */
	int init;		     /* pidfd of the container's first process, surely of it */
	pid_t pid;		     /* the same one's number */
	const char *status;	     /* the container's, for a filter's listener */
	const struct cgroup *cgroup; /* NULL: it stays in the caller's */
	int death_signal;	     /* that it gets if the caller dies; 0: it lives on */
};

/* Returns once the program runs; it is the caller's child. *ret_pty: as launch_wait()'s. */
int attach_process(const struct attach_request *request, const int stdio[3], pid_t *ret_pid,
		   int *ret_pty, struct err *err);

#endif
