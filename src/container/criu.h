/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_CRIU_H
#define CONTAINER_CRIU_H

#include <sys/types.h>

#include "base/err.h"
#include "container/criu_wire.h"

/*
 * CRIU, which saves processes in files and makes them again of those. It runs as a child, `criu swrk`, which
 * serves one request over a socket pair. Debian's package "criu"; nothing of it is linked.
 */

/* One request. */
struct criu_call {
	enum criu_type type;
	const struct buf *options; /* criu_opts; NULL: none */
	int images, work;	   /* folders, of images and of the log; negative: there is none */
	const char *images_path, *work_path; /* the latter NULL: the log goes soon */
	const char *log;		     /* the log's name in it */
	const int *fds;			     /* more that it inherits; all go by the same numbers */
	size_t n_fds;
	int in_session; /* it stays in our session, and has our stdin: for jobs of a shell */
	/* In a mount namespace that ends with it, before it starts; NULL: it is in ours. */
	int (*prepare)(void *ctx, struct err *err);
	/*
	 * At each step that it tells of, while it waits; fd: what it hands over, -EBADF: nothing. A failure is
	 * its failure. NULL: nobody wants to know.
	 */
	int (*notify)(void *ctx, const char *script, pid_t pid, int fd, struct err *err);
	void *ctx;
};

/*
 * Asks; it is told here which folders to use, what to log and whether to notify. call and all that it names outlive
 * the result, which is for criu_free(). -ENOENT: CRIU is not installed.
 */
struct criu;
int criu_begin(const struct criu_call *call, struct criu **ret, struct err *err);

/* Readable when CRIU has said something: then criu_step() does not wait. */
int criu_fd(const struct criu *criu);

/*
 * Hears its next word, and lets it go on. 1: there will be more; 0: the answer, and it has done it; else it has failed,
 * which is told with the last errors of its log, and where that is. After that there is no more to hear.
 */
int criu_step(struct criu *criu, struct criu_answer *ret, struct err *err);

/* It ends at once, which criu_step() tells of. */
void criu_kill(const struct criu *criu);

/* Kills it, if it has not come to its end: see invariant 1 of criu.c. Returns NULL. */
struct criu *criu_free(struct criu *criu);

/*
 * All of these, up to the answer. If we are killed meanwhile, what it
 * saves is saved, and what it restores is left for who has the cgroup.
 */
int criu_run(const struct criu_call *call, struct criu_answer *ret, struct err *err);

/* In prepare(), which does so once it is in its last mount namespace, and before it covers a path: CRIU mounts in its
 * folders, which have to be of its own namespace. */
int criu_reopen_folders(const struct criu_call *call, struct err *err);

/* Whether CRIU is there and this kernel has what it needs. */
int criu_check(struct err *err);

#endif
