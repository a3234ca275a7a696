/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_PROCSTAT_H
#define SYS_PROCSTAT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What /proc tells of processes; sys/procfs.h is for what is set there. */

/*
 * Fields of /proc/PID/stat by their numbers in proc(5), from `first` on, which is at least PROCSTAT_FIRST. pid 0: the
 * caller. -ESRCH: there is no such process; -EBADMSG: no such fields. No message.
 */
enum {
	PROCSTAT_FIRST =
		4, /* behind the name, which may hold anything, and the state, which is a letter */
	PROCSTAT_FLAGS = 9,	  /* the kernel's PF_* (linux/sched.h) */
	PROCSTAT_START_TIME = 22, /* clock ticks since boot */
	PROCSTAT_ARG_START = 48,  /* arg_end, env_start and env_end follow */
};
int procstat_fields(pid_t pid, unsigned int first, uint64_t *values, size_t n);

/* What tells a process from another one that later has its number. */
struct procstat {
	pid_t parent;
	uint64_t start_time; /* in clock ticks since the boot */
};

/* -ESRCH if there is no such process. */
int procstat_read(pid_t pid, struct procstat *ret);

/*
 * The processes of the pid namespace that `first` is in, and of those below it, as far as the caller may look at
 * them. -EXDEV: it is the caller's own; -errno. The caller frees *ret.
 */
int procstat_pids_beside(pid_t first, pid_t **ret, size_t *ret_n);

#endif
