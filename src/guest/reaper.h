/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_REAPER_H
#define GUEST_REAPER_H

#include "base/err.h"

/*
 * PID 1 of an instance with --init: it reaps, passes signals on to the workload, and ends as that does.
 * Forks; returns 0 in the child, which becomes the workload, and -errno if there is no child. In the
 * parent it does not return: that process ends with the child's exit status (128+N by signal N).
 */
int reaper_fork(struct err *err);

#endif
