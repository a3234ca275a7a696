/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_VIRTIOFSD_H
#define SYS_VIRTIOFSD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * A folder of the host's for one guest, served by virtiofsd (QEMU's of Debian 12, or the one in Rust after it). It
 * makes a jail of its own: namespaces whose root is the folder, a few capabilities, a system call filter. It ends
 * with its only connection, and with us (PDEATHSIG).
 *
 * A user's is root of a user namespace with his ids (idmap_of_user()): a file has the same owner for his VM as for his
 * containers. With one id alone none is started.
 */
struct virtiofsd_share {
	const char *source; /* a folder, or a file: that is VIRTIOFSD_FILE, alone in a folder */
	int read_only;	    /* with all that is mounted below, whatever the guest asks for */
	int alone;	    /* without what is mounted below */
};

#define VIRTIOFSD_FILE "file"

/*
 * What its cgroup should allow for each: it has 3 MiB, and up to 2 KiB for each file that the guest's kernel has in mind,
 * the host's kernel's part included. If the cgroup's memory ends nonetheless, it is killed before the machine is.
 */
#define VIRTIOFSD_MEMORY ((int64_t)64 << 20)

/* The same for all of a machine's. */
struct virtiofsd_spec {
	const char *run_dir; /* a folder of ours alone, where a socket has its name for a moment */
	int errors_fd;	     /* what it complains to; borrowed */
	int into_cgroup;     /* as of sandbox_spec */
	int (*prepare)(void *ctx, struct err *err);
	void *ctx;
};

struct virtiofsd_server {
	pid_t pid;
	int pidfd;
	int socket; /* the vhost-user connection, for the machine to take */
};

/* All of a machine's. */
struct virtiofsd {
	struct virtiofsd_server *servers;
	size_t n;
};

/* Adds one. What cannot be shared is refused; -ENOENT, if there is no virtiofsd, says what to install. */
int virtiofsd_add(struct virtiofsd *virtiofsd, const struct virtiofsd_share *share,
		  const struct virtiofsd_spec *spec, struct err *err);

/* Kills and reaps one; those after it take its place. */
void virtiofsd_remove(struct virtiofsd *virtiofsd, size_t place);
/* Kills and reaps what still runs, closes the descriptors. */
void virtiofsd_release(struct virtiofsd *virtiofsd);

#endif
