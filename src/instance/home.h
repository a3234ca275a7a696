/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_HOME_H
#define INSTANCE_HOME_H

#include "base/err.h"

/*
 * Where images and instances are. Root's are in HOME_ROOT and HOME_RUN, whatever the environment says. A user's are
 * in $XDG_DATA_HOME/brig (~/.local/share/brig) and $XDG_RUNTIME_DIR/brig; without that variable in
 * HOME_RUN_OF_USERS/UID/brig if there is a UID folder of his alone there, else in /tmp/brig-UID, which is made, and has to
 * be his alone. given: what the command line says, or NULL. The caller frees *ret.
 */
#define HOME_ROOT	  "/var/lib/brig"
#define HOME_RUN	  "/run/brig"
#define HOME_RUN_OF_USERS "/run/user"

int home_find_root(const char *given, char **ret, struct err *err);
int home_find_run(const char *given, char **ret, struct err *err);

/* What is there already has to be the caller's: who uses another's store runs with what that one put in it. */
int home_check(const char *path, const char *option, struct err *err);

#endif
