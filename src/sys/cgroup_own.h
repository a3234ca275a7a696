/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_CGROUP_OWN_H
#define SYS_CGROUP_OWN_H

#include "base/err.h"

/*
 * A user's part of cgroup version 2: a group that was delegated to him, in which his keepers and his instances have
 * groups side by side, since a group with processes can have no controllers for those below it. It is the group
 * that we are in, or a scope that the user's systemd makes for a keeper.
 */

/* Whether the group that we are in is delegated to us. */
int cgroup_own_is_ours(void);
/* Whether the user's systemd runs, and can be asked for a scope. */
int cgroup_own_has_manager(void);

/* The words in front of a command that run it in a delegated scope of its own; the caller's strv, name is part of the
 * unit's. */
char **cgroup_own_scope(const char *name);

/*
 * The process moves to the keepers' group below its own, which has to be ours. *ret_path: of a group beside it for
 * the instance (sys/cgroup.h), which is not made; caller frees.
 */
int cgroup_own_take(const char *name, char **ret_path);

/*
 * The process moves to the keepers' group beside the instance's group, from where it can start others in that one. If
 * the way there is not ours, as from a login's session, the program is started once more in a scope of the user's
 * systemd, from where it is; so call this before anything else was done.
 */
int cgroup_own_join(const char *path, struct err *err);

#endif
