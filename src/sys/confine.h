/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_CONFINE_H
#define SYS_CONFINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Work on hostile bytes in a forked child that can reach one folder and nothing else: it is the
 * child's root, on a mount of its own without devices, set-user-id and programs; the child has only
 * the descriptors, capabilities and system calls that it is given, and dies with us. Of
 * a caller who is not root, it is root of a user namespace with his ids, and what it has of the
 * capabilities counts in there.
 */
#define CONFINE_RESULT_MAX 512
#define CONFINE_ATTRIBUTES \
	(MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC) /* <linux/mount.h> */

/*
 * Runs in the child and returns 0 with its result (zeroed before) filled in, or -errno with err
 * set. Work that takes long calls confine_progress(report_fd, ...) now and then.
 */
typedef int (*confine_fn)(void *ctx, int report_fd, void *result, struct err *err);

struct confine_spec {
	confine_fn fn;
	void *ctx;
	int root_fd;	   /* of the folder */
	int root_is_mount; /* it is the root of a detached mount, which has CONFINE_ATTRIBUTES already */
	int keep_fds[2];       /* descriptors that fn uses besides; negative: none */
	uint64_t capabilities; /* bits 1 << CAP_* */
	const char *const
		*syscalls;   /* all that fn needs; NULL-terminated. Others fail with EPERM */
	uint64_t memory_max; /* bytes of address space; 0: no bound of its own */
	size_t result_size;  /* of what fn fills in; at most CONFINE_RESULT_MAX */
};

struct confine_child {
	pid_t pid;
	int fd; /* readable when there is something for confine_read(); for poll() */
};

#define CONFINE_CHILD_INIT ((struct confine_child){ .pid = -1, .fd = -EBADF })

int confine_start(const struct confine_spec *spec, struct confine_child *ret, struct err *err);

/* Kills and reaps a child that still runs. */
void confine_release(struct confine_child *child);
#define _cleanup_confine_ _cleanup_(confine_release)

/*
 * Waits for the child's next word: 1 for progress in *ret_done, 0 when it is done, with its result
 * of size bytes in result, or its error. A child that died without a word is an error too. The
 * result comes from a process that read hostile bytes: check it as such.
 */
int confine_read(struct confine_child *child, int64_t *ret_done, void *result, size_t size,
		 struct err *err);

/* Tells the parent how far the work is. */
void confine_progress(int report_fd, int64_t done);

#endif
