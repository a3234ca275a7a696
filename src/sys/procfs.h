/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_PROCFS_H
#define SYS_PROCFS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Settings that are made by writing to /proc, where somebody else may have put something in its place (a
 * container's mounts, an image): everything goes by the descriptor of a procfs's root, the kernel resolves
 * without links and without leaving that mount, and what was opened is checked to be procfs's. Nothing here
 * allocates.
 */

/* A procfs of the calling process's pid namespace that is mounted nowhere, so nothing lies above parts of it. Where
 * the kernel forbids that (no CAP_SYS_ADMIN, or what is hidden of /proc), it is the one at /proc, verified. */
int procfs_open(int *ret_fd, struct err *err);

/* 0 if the descriptor is that of a procfs's root, -EXDEV if it is not. */
int procfs_verify(int proc);

/* Writes the file in one write(2). path has no "..", no leading "/": "sys/net/ipv4/ip_forward". No message; -EXDEV:
 * there is something else at the path. */
int procfs_write(int proc, const char *path, const char *value);

/* The same of a file of the calling thread's own: "oom_score_adj", "attr/exec". */
int procfs_write_self(int proc, const char *name, const char *value);

/*
 * Fields of /proc/PID/stat by their numbers in proc(5), from `first` on, which is at least PROCFS_STAT_FIRST. pid 0: the
 * caller. -ESRCH: there is no such process; -EBADMSG: no such fields. No message.
 */
enum {
	PROCFS_STAT_FIRST =
		4, /* behind the name, which may hold anything, and the state, which is a letter */
	PROCFS_STAT_START_TIME = 22, /* clock ticks since boot */
	PROCFS_STAT_ARG_START = 48,  /* arg_end, env_start and env_end follow */
};
int procfs_stat(pid_t pid, unsigned int first, uint64_t *values, size_t n);

#endif
