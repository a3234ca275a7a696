/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_REAPER_H
#define CONTAINER_REAPER_H

#include <sys/types.h>

#include "base/err.h"
#include "container/privilege.h"

/*
 * PID 1 of a container with --init: it reaps whatever ends in the container, passes signals on to the
 * workload, and ends as the workload does.
 */

/* fork() with every signal blocked in the parent from before on, so that none is lost or kills it. */
pid_t reaper_fork(struct err *err);

/* In the parent: gives up what the workload gives up, and all files; then as above. */
_noreturn_ void reaper_run(pid_t workload, int sock, const struct privilege *privilege);

#endif
