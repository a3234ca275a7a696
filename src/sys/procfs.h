/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_PROCFS_H
#define SYS_PROCFS_H

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

#endif
