/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_INSTANCE_H
#define INSTANCE_INSTANCE_H

#include "base/err.h"
#include "proto/driver.h"
#include "proto/instance.h"

/*
 * Instances on disk and at run time, for clients. Nothing here needs a daemon: what is true is on disk,
 * and whether an instance runs is whether its keeper holds the lock RUN/NAME/lock.
 *
 * Verbs that change an instance hold its lock (flock on ROOT/instances/NAME) for as long as they change
 * it; a second one waits. Every verb that takes the lock first cleans what a killed keeper left.
 */
struct instance_home {
	const char *root;			 /* ROOT, see instance/home.h */
	const char *run;			 /* RUN, "/run/brig" */
	const struct driver_ops *const *drivers; /* NULL-terminated */
};

/* The driver for a kind and engine; INSTANCE_ENGINE_AUTO must have been decided before. */
const struct driver_ops *instance_driver(const struct instance_home *home, int kind,
					 const char *engine);

/*
 * Makes a new instance of the filled record; a NULL name is replaced by a made-up one. -EEXIST if the
 * name is in use. record->created is set here.
 */
int instance_create(const struct instance_home *home, struct instance *record, struct err *err);
/* The same with files: fill() puts them into the folder that is being made, before the record is in it. All is synced. */
int instance_create_filled(const struct instance_home *home, struct instance *record,
			   int (*fill)(int dir, void *ctx, struct err *err), void *ctx,
			   struct err *err);

/* The instance's lock, waited for; it ends when *ret_fd is closed. -ENOENT with the nearest name. */
int instance_lock(const struct instance_home *home, const char *name, int *ret_fd, struct err *err);

/* Its folder; -ENOENT with the nearest name there is. */
int instance_open(const struct instance_home *home, const char *name, int *ret_dir,
		  struct err *err);
/* -ENOENT with the nearest name there is. */
int instance_load(const struct instance_home *home, const char *name, struct instance *ret,
		  struct err *err);

/* What is known of an instance at a moment. */
struct instance_view {
	struct instance record;
	struct instance_run run; /* filled if alive */
	int alive;		 /* its keeper runs */
	int state;		 /* enum instance_state */
	int damaged;		 /* the record cannot be read */
};

void instance_view_release(struct instance_view *view);
#define _cleanup_instance_view_ _cleanup_(instance_view_release)

int instance_view(const struct instance_home *home, const char *name, struct instance_view *ret,
		  struct err *err);
/* Every instance in the order of names, until each() returns non-zero. Damaged ones are reported to
 * it with only the name and record.error set. */
int instance_each(const struct instance_home *home,
		  int (*each)(struct instance_view *view, void *ctx), void *ctx, struct err *err);

enum {
	INSTANCE_START_STDIN = 1 << 0, /* the session takes stdin */
	INSTANCE_START_OVERCOMMIT =
		1 << 1, /* whatever was promised to others (instance/admit.h), this time */
};

/*
 * Starts the instance's keeper and waits until the workload runs, or says why not. ret_session NULL:
 * detached. Otherwise *ret_session is a session (instance/session.h) attached from the first byte.
 */
int instance_start(const struct instance_home *home, const char *name, unsigned int flags,
		   int *ret_session, struct err *err);

/*
 * Saves the processes of a running container in the folder dir (NULL: in its own), and stops it, unless it is to be
 * left as it was. Meanwhile it is paused.
 */
int instance_checkpoint(const struct instance_home *home, const char *name, const char *dir,
			int leave_running, struct err *err);
/* As instance_start(), detached; its processes go on from where they were saved. */
int instance_restore(const struct instance_home *home, const char *name, const char *dir,
		     struct err *err);

/* A new connection to the keeper; -ESRCH with "is not running" if there is none. */
int instance_connect(const struct instance_home *home, const char *name, int *ret_fd,
		     struct err *err);

/* One request with an OK or ERROR answer: STOP, PAUSE, RESUME, PRESS, SIGNAL. */
int instance_request(const struct instance_home *home, const char *name, uint16_t type,
		     const void *payload, size_t len, struct err *err);
/* SET; lock: kept until the setting holds or has failed, also if we are killed; stays the caller's. Negative: none. */
int instance_request_set(const struct instance_home *home, const char *name, const char *assignment,
			 int lock, struct err *err);

/* It stands still, as paused, until *ret_fd is closed or the caller ends, however. */
int instance_hold(const struct instance_home *home, const char *name, int *ret_fd, struct err *err);
/*
 * Of a running VM: its file system stands still, with all in the disk that was written so far, until instance_thaw() or the
 * end of *ret_fd or the caller; or until the guest takes that for too long. Only if instance_thaw() returns 0 did it
 * stand still all the time. -ETIMEDOUT: the guest does not answer.
 */
int instance_freeze(const struct instance_home *home, const char *name, int *ret_fd,
		    struct err *err);
int instance_thaw(int fd, const char *name, struct err *err);

/* Stops it: the stop signal, after timeout_ms (negative: its own) SIGKILL. Success if it was not
 * running. Returns when nothing of it runs any more. */
int instance_stop(const struct instance_home *home, const char *name, int64_t timeout_ms,
		  struct err *err);
int instance_signal(const struct instance_home *home, const char *name, int signal,
		    struct err *err);
/* Waits for the end of its current run; *ret_status its exit status. */
int instance_wait(const struct instance_home *home, const char *name, int *ret_status,
		  struct err *err);
/* Refuses a running one unless force, which kills it first. */
int instance_remove(const struct instance_home *home, const char *name, int force, struct err *err);
/*
 * The first half of a removal, for who holds the lock or is the keeper: in one step the instance is gone
 * and its name free. Its files are at *ret_path then, for the caller to remove (and to free the string);
 * a kill in between leaves no half of an instance, and the next command removes them.
 */
int instance_set_aside(const struct instance_home *home, const char *name, char **ret_path,
		       struct err *err);
/* Of a stopped instance. */
int instance_rename(const struct instance_home *home, const char *name, const char *new_name,
		    struct err *err);

/* Runs a process in the running instance with the caller's stdio (or the given descriptors) until it
 * ends; *ret_status its exit status. See instance/session.h for how tty and signals pass. */
int instance_exec(const struct instance_home *home, const char *name, const struct process *process,
		  const int stdio[3], int *ret_status, struct err *err);
/*
 * The same without stdio: returns once the process runs. One of ours stays behind it until it ends, whoever the caller
 * is of; both end with the instance.
 */
int instance_exec_behind(const struct instance_home *home, const char *name,
			 const struct process *process, struct err *err);

/* The instance's end of a copy: a tree stream (proto/tree.h) to or from fd. Returns when it is through. */
int instance_tree_get(const struct instance_home *home, const char *name, const char *path,
		      unsigned int flags, int fd, struct err *err);
int instance_tree_put(const struct instance_home *home, const char *name, const char *path,
		      unsigned int flags, int fd, struct err *err);

/* Its processes, for `top`; *ret is the caller's to free. */
struct procs_entry;
int instance_procs(const struct instance_home *home, const char *name, struct procs_entry **ret,
		   size_t *ret_n, struct err *err);

#endif
