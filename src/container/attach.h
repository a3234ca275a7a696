/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_ATTACH_H
#define CONTAINER_ATTACH_H

#include "proto/driver.h"

/* exec and enter of struct driver_ops: a client's way into a container. */
int attach_exec(const struct driver_target *target, const struct process *process,
		const int stdio[3], pid_t *ret_pid, int *ret_pty, struct err *err);
int attach_enter(const struct driver_target *target, int (*fn)(void *ctx), void *ctx,
		 pid_t *ret_pid, struct err *err);

#endif
