/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_SANDBOX_H
#define SYS_SANDBOX_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * A program that may be taken over by whom it serves (a VM's emulator), started with nothing but
 * what it needs: namespaces of its own (mount, pid, net, ipc, uts), a root file system that holds a
 * few paths of the host read-only and nothing else, an unprivileged user without groups, no
 * capabilities, no new privileges, the given descriptors. It dies with us (PDEATHSIG).
 *
 * Of a caller who is not root, it is the caller's own user, with his groups, in a user namespace; uid, gid and group
 * are not looked at.
 */

/* Paths that an ordinary dynamically linked program loads its code and data from. */
extern const char *const sandbox_system_paths[];

struct sandbox_file {
	const char *path; /* on the host */
	const char *name; /* its path inside, without the first slash; NULL: as outside, may miss */
	int device;	  /* a device node, writable */
	int writable;	  /* a folder for data */
};

struct sandbox_limit {
	int resource;
	rlim_t max;
};

struct sandbox_spec {
	char *const *argv; /* argv[0] is a full path that is valid inside */
	const int
		*program; /* this descriptor is run instead, and argv[0] is a mere name; or NULL */
	/*
	 * A program of ours, which gives up its privilege by itself when it has loaded what it needs. It is
	 * root of a user namespace of its own, who is uid and gid outside, has a cgroup namespace too, and
	 * still sees the host's files. files and group are not used.
	 */
	int in_stages;
	char *const *env;
	uid_t uid;
	gid_t gid;
	gid_t group;	       /* one supplementary group; (gid_t)-1: none */
	uint64_t capabilities; /* bits 1 << CAP_* that it keeps; of a caller who is root */
	int keep_net;	       /* it stays in our network namespace */
	const struct sandbox_file *files; /* beside sandbox_system_paths */
	size_t n_files;
	/* fds[i] becomes descriptor i; negative: closed (0 to 2: /dev/null). They stay the
	 * caller's. */
	const int *fds;
	size_t n_fds;
	const struct sandbox_limit *limits;
	size_t n_limits;
	int into_cgroup; /* folder of a version 2 control group to be born in; -EBADF: none */
	/* Called in the child while it is still root in the host's view, for what must be done from
	 * inside, as joining a cgroup. NULL: none. */
	int (*prepare)(void *ctx, struct err *err);
	void *ctx;
};

struct sandbox {
	pid_t pid;
	int pidfd;
	int report; /* see sandbox_failure() */
};

#define SANDBOX_INIT ((struct sandbox){ .pidfd = -EBADF, .report = -EBADF })

/* Starts it and returns at once; what goes wrong before execve is told by sandbox_failure(). */
int sandbox_start(const struct sandbox_spec *spec, struct sandbox *ret, struct err *err);

/* After the child's end: -errno with err set if it never became the program, else 0. */
int sandbox_failure(const struct sandbox *sandbox, struct err *err);

/*
 * The later stages, in a program that was started in_stages. The first takes everything of the host's file
 * systems away: the root is an empty, read-only one. The second takes every capability, for good, from the
 * calling thread and from those that it starts afterwards; it may come again.
 */
int sandbox_empty_root(struct err *err);
int sandbox_drop_capabilities(struct err *err);

/* Kills and reaps it if pid is not 0, closes the descriptors. */
void sandbox_release(struct sandbox *sandbox);

#endif
