/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_STORE_H
#define OCI_STORE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"
#include "container/config.h"

/*
 * The containers below a --root, a folder ROOT/ID each, 0700:
 *
 *   state.json   the record below; a container exists from when it is there
 *   config.json  the bundle's configuration as it was at `create`
 *   start.sock   a socket: the container is created and waits for `start`
 *
 * 1. Who changes a container holds an flock on its folder, and a crash lets go of it. Children that outlive
 *    us must not inherit the descriptor (it is O_CLOEXEC; close it in those that do not exec).
 * 2. state.json is replaced, never rewritten: readers need no lock.
 * 3. A folder without state.json that nobody has locked is what a killed `create` left: no verb sees it but
 *    `delete --force`, and the next `create` of that ID takes it over.
 * 4. `start` saves started = 1 before start.sock goes; so alive without either is being created.
 */

#define STORE_STATE	   "state.json"
#define STORE_CONFIG	   "config.json"
#define STORE_START_SOCKET "start.sock"
#define STORE_ID_MAX	   255 /* NAME_MAX */

struct store_container {
	char *id;
	int root;   /* of ROOT, and */
	int dir;    /* of ROOT/ID, for openat() */
	int locked; /* it holds the lock; without, do not save or remove */
	/* the record, all owned */
	char *oci_version, *bundle, *rootfs; /* whole paths */
	int64_t pid;	     /* of init, in the caller's pid namespace; 0: not yet */
	uint64_t start_time; /* field 22 of its /proc/PID/stat: a reused pid is not it */
	char *created;	     /* RFC 3339 with nanoseconds; store_create() sets it */
	uint64_t owner;	     /* real uid of who created it; store_create() sets it */
	char *cgroup;	     /* path below the roots of the hierarchies; NULL: none of its own */
	char *unit;	     /* systemd's scope; NULL: none */
	char **rdt;	     /* what was made for it below resctrl's root */
	int vm;		     /* a machine, that its first process holds (oci/vm_role.h) */
	int started;
};

#define STORE_CONTAINER_INIT ((struct store_container){ .root = -EBADF, .dir = -EBADF })

enum store_status {
	STORE_CREATING,
	STORE_CREATED,
	STORE_RUNNING,
	STORE_PAUSED,
	STORE_STOPPED,
};

extern const char *const store_status_names[]; /* as `state` prints them */

/* [A-Za-z0-9_+-][A-Za-z0-9_+.-]*, at most STORE_ID_MAX bytes. */
int store_check_id(const char *id, struct err *err);

/*
 * Makes the folder (and root), locked, with no record saved yet. -EEXIST "container with that ID exists
 * already: ID". Release it in any case; a creation that failed needs store_delete() first.
 */
int store_create(const char *root, const char *id, struct store_container *ret, struct err *err);
/*
 * Reads the record; lock: waits for the lock first, so that nobody else changes the container until it is
 * released. -ENOENT "container 'ID' does not exist". Release it in any case.
 */
int store_open(const char *root, const char *id, int lock, struct store_container *ret,
	       struct err *err);
/* Lets others change it, while we only wait; the record may be another after that. */
void store_unlock(struct store_container *container);
/* Waits for the lock of what was let go of; -ENOENT: somebody has deleted it. */
int store_relock(struct store_container *container);
/* The record, replaced at once. */
int store_save(struct store_container *container, struct err *err);
/* Removes the folder with what is in it; the container must be locked. */
int store_delete(struct store_container *container, struct err *err);
/* What a killed `create` left of the ID is removed; nothing there is -ENOENT "container 'ID' does not exist". */
int store_remove_broken(const char *root, const char *id, struct err *err);
/* IDs of what exists, sorted; caller frees. No root is no container. */
int store_list(const char *root, char ***ret_ids, struct err *err);

/* The bundle's configuration, kept at `create` as it came for all that come later; read as JSON, and as its members. */
int store_save_config(struct store_container *container, const char *text, size_t len,
		      struct err *err);
int store_read_config(const struct store_container *container, struct json **ret, struct err *err);
int store_load_config(const struct store_container *container, struct config *ret, struct err *err);
/* It came with at most CONFIG_SIZE_MAX; written again, by an earlier brig-oci, it may be somewhat longer. */
#define STORE_CONFIG_MAX ((size_t)2 * CONFIG_SIZE_MAX)

/* Notes pid and its start time; -ESRCH if it is gone. Saves nothing. */
int store_set_pid(struct store_container *container, pid_t pid);
/* A pidfd of init, surely of it and not of who has its number now; -ESRCH if it ended. Caller closes. */
int store_pidfd(const struct store_container *container);
/* pidfd: what store_pidfd() gave; frozen: whether the container's cgroup is (callers who do not care: 0). */
enum store_status store_status(const struct store_container *container, int pidfd, int frozen);

void store_release(struct store_container *container);
#define _cleanup_store_ _cleanup_(store_release)

#endif
