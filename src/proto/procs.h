/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_PROCS_H
#define PROTO_PROCS_H

#include <stdint.h>

#include "base/buf.h"
#include "proto/frame.h"

/* The processes of an instance, for `brig top`, read from a /proc by the host or by a VM's agent. */
struct procs_entry {
	uint32_t pid; /* as the instance sees it */
	uint32_t ppid;
	uint32_t uid; /* as the reader's /proc shows it */
	uint64_t cpu_ns;
	uint64_t rss; /* bytes */
	char state;
	char command[256]; /* printable: arguments joined by blanks, or [name] */
	uint32_t depth; /* not sent: PID namespaces below the one of the /proc it was read from */
};

/* Entries beyond this, or beyond what fits a frame, are not sent. */
#define PROCS_MAX 4096

/*
 * Reads one process from procfd (an open /proc), by its pid there. The entry's pid and ppid are those in
 * the PID namespace one below that /proc's, where an instance of either kind is; ppid is 0 if the parent
 * is outside of it. -ESRCH if the process is gone.
 */
int procs_read(int procfd, uint32_t pid, struct procs_entry *ret);

/* Commands are shortened to fit all entries in a frame. */
void procs_put(struct buf *payload, const struct procs_entry *entries, size_t n);
/* *ret: an array that the caller frees. Hostile bytes: bounded. */
int procs_get(const struct frame *frame, struct procs_entry **ret, size_t *ret_n);

#endif
