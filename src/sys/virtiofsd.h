/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_VIRTIOFSD_H
#define SYS_VIRTIOFSD_H

#include <sys/types.h>

#include "base/err.h"

/*
 * A folder of the host's for one guest, served by virtiofsd (QEMU's of Debian 12, or the one in Rust after it). It
 * makes a jail of its own: namespaces whose root is the folder, a few capabilities, a system call filter. It ends
 * with its only connection, and with us (PDEATHSIG).
 */
struct virtiofsd_spec {
	const char *source;  /* the folder */
	int read_only;	     /* with all that is mounted below, whatever the guest asks for */
	const char *run_dir; /* a folder of ours alone, where a socket has its name for a moment */
	int errors_fd;	     /* what it complains to; borrowed */
	int into_cgroup;     /* as of sandbox_spec */
	int (*prepare)(void *ctx, struct err *err);
	void *ctx;
};

struct virtiofsd {
	pid_t pid;
	int pidfd;
	int socket; /* the vhost-user connection, for the machine */
};

#define VIRTIOFSD_INIT ((struct virtiofsd){ .pidfd = -EBADF, .socket = -EBADF })

/* -ENOENT with what to install. */
int virtiofsd_start(const struct virtiofsd_spec *spec, struct virtiofsd *ret, struct err *err);

/* Kills and reaps what still runs, closes the descriptors. */
void virtiofsd_release(struct virtiofsd *virtiofsd);
#define _cleanup_virtiofsd_ _cleanup_(virtiofsd_release)

#endif
