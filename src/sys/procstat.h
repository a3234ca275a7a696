/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_PROCSTAT_H
#define SYS_PROCSTAT_H

#include <stdint.h>
#include <sys/types.h>

/* What tells a process from another one that later has its number. */
struct procstat {
	pid_t parent;
	uint64_t start_time; /* in clock ticks since the boot */
};

/* -ESRCH if there is no such process. */
int procstat_read(pid_t pid, struct procstat *ret);

/* The processes of the pid namespace that `first` is in, and of those below it, as far as the caller may look at
 * them; -errno. The caller frees *ret. */
int procstat_pids_beside(pid_t first, pid_t **ret, size_t *ret_n);

#endif
