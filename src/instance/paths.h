/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_PATHS_H
#define INSTANCE_PATHS_H

#include "instance/instance.h"

/* Where an instance's files are, and the two locks. The strings are the caller's to free. */

char *paths_state(const struct instance_home *home, const char *name); /* ROOT/instances/NAME */
char *paths_run(const struct instance_home *home, const char *name);   /* RUN/NAME */

#define PATHS_RECORD "instance.json"
#define PATHS_RUN    "run.json"
#define PATHS_SOCKET "ctl.sock"
#define PATHS_LOCK   "lock"
/* in ROOT/instances/NAME, a folder with the processes as the last checkpoint has saved them */
#define PATHS_CHECKPOINT "checkpoint"
/* in there too, what instance/convert.h is making */
#define PATHS_CONVERT ".convert"

/*
 * The instance's lock: a flock on its state folder, waited for. -ENOENT if the instance is not there, or
 * went away while we waited. The lock ends when *ret_fd is closed.
 */
int paths_lock(const struct instance_home *home, const char *name, int *ret_fd, struct err *err);

/*
 * The keeper's mark: a POSIX record lock on RUN/NAME/lock. Unlike flock it is never inherited by a
 * forked child, so it is gone exactly when the keeper is; and F_GETLK asks for it without taking it.
 */
int paths_keeper_mark(int run_dir_fd, int *ret_fd, struct err *err);
/* pid of the keeper that holds the mark, 0 if none does. */
pid_t paths_keeper_pid(const char *run_dir);

#endif
