/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_STATS_H
#define GUEST_STATS_H

#include "base/buf.h"
#include "base/err.h"

/* Answers to STATS and PROCS: the machine's use of memory and CPUs, and the instance's processes. */
int stats_machine(struct buf *payload, struct err *err);
int stats_processes(struct buf *payload, struct err *err);

#endif
