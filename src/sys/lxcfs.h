/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_LXCFS_H
#define SYS_LXCFS_H

/*
 * lxcfs: a FUSE file system whose files say of whoever reads them what /proc says of the whole host. It tells by the
 * reader's pid namespace and control groups.
 */
#define LXCFS_PATH "/var/lib/lxcfs" /* where its package mounts it */

enum lxcfs_state {
	LXCFS_NONE, /* nothing is mounted there, or something else */
	LXCFS_DEAD, /* its program has ended: every use fails with ENOTCONN */
	LXCFS_ALIVE,
};

/* Without lxcfs a system call or two. */
enum lxcfs_state lxcfs_find(void);

/* Whether the topmost mount at LXCFS_PATH is lxcfs; mountinfo: as proc(5) has it, of any content. */
int lxcfs_is_mounted(const char *mountinfo);

/* Its files, from LXCFS_PATH and from / alike; ends with NULL. An old lxcfs has not all of them. */
extern const char *const lxcfs_files[];

#endif
