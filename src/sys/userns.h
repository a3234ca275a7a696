/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_USERNS_H
#define SYS_USERNS_H

#include <stdint.h>

#include "base/err.h"

/*
 * Work on files that belong to a user's subordinate ids, which he himself can neither enter nor remove: it is done
 * as root of a user namespace with his ids (idmap_of_user()).
 */

/* Such a namespace: a descriptor, or -errno. */
int userns_open(struct err *err);

/*
 * The calling process, which is in its user namespace already, becomes root there and has no other group. may_keep: where
 * the namespace, of one id, forbids to give groups up, it keeps them. 0 or -errno. What the kernel clears with a change
 * of ids (PR_SET_DUMPABLE, PR_SET_PDEATHSIG) is to be set after this.
 */
int userns_become_root(int may_keep);

/* The calling process enters it and becomes its root, with the groups that it cannot give up. */
int userns_enter(int userns);

/*
 * Runs fn in a child that is, waits, and returns what fn returned, with its error if it set one. What else fn writes to
 * memory is lost with the child. -EIO: the child was killed.
 */
int64_t userns_run(int64_t (*fn)(void *ctx, struct err *err), void *ctx, struct err *err);

/* file_remove_tree(), whoever of the caller's ids the files belong to. */
int userns_remove_tree(int dirfd, const char *path);

#endif
