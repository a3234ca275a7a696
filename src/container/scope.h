/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_SCOPE_H
#define CONTAINER_SCOPE_H

#include <sys/types.h>

#include "base/err.h"
#include "base/strv.h"

/* A container's cgroup that systemd makes and knows of: a transient scope of a manager's. */
enum scope_manager {
	SCOPE_SYSTEM, /* PID 1 */
	SCOPE_USER,   /* of the user who has $XDG_RUNTIME_DIR */
};

/*
 * The system's belongs to who owns its files: the host's root, or that of a container that systemd runs. To others belongs their own,
 * to root of a user's namespace as well, in which the host's root is nobody; the environment does not tell, for podman
 * gives its runtime next to none.
 */
enum scope_manager scope_manager_of_caller(void);

/* What linux.cgroupsPath means then; all owned. */
struct scope_name {
	enum scope_manager manager;
	char *slice; /* "system.slice" */
	char *unit;  /* "brig-web.scope" */
	char *path;  /* below the roots of the hierarchies: "system.slice/brig-web.scope" */
};

/*
 * "SLICE:PREFIX:NAME", as engines give it to a runtime with --systemd-cgroup: PREFIX-NAME.scope in SLICE.
 * Absent or empty is ":brig:ID", an empty SLICE is system.slice, or user.slice of a user's manager; an empty PREFIX
 * leaves the dash out too.
 * above: where systemd's own tree begins, as scope_root() has it. Release it even on failure.
 */
int scope_parse(enum scope_manager manager, const char *cgroups_path, const char *id,
		const char *above, struct scope_name *ret, struct err *err);
void scope_name_release(struct scope_name *name);
#define _cleanup_scope_name_ _cleanup_(scope_name_release)

/*
 * The cgroup that the manager's slices are in: the system's has "" on a host, something else in a container; a user's is
 * in a slice of the system's. Caller frees. -EOPNOTSUPP: there is no such manager.
 */
int scope_root(enum scope_manager manager, char **ret, struct err *err);

/* The process in a scope that has nothing else in it yet: the scope goes when the last one does. */
struct scope_holder {
	int pidfd;
	int stream; /* its stdin and stdout; it ends when this is closed */
};
#define SCOPE_HOLDER_INIT ((struct scope_holder){ .pidfd = -EBADF, .stream = -EBADF })

/*
 * Makes the scope, with properties ("NAME=VALUE", as in unit files); its cgroup is there on return. It may be
 * divided further (Delegate), and does not stay behind as failed.
 */
int scope_start(const struct scope_name *name, char *const *properties, struct scope_holder *ret,
		struct err *err);
/* Lets go of the scope once the container is in it. */
void scope_holder_release(struct scope_holder *holder);

/* Tells systemd of other limits of a scope that is there. */
int scope_set(enum scope_manager manager, const char *unit, char *const *properties,
	      struct err *err);

/* Makes systemd forget the scope, and waits until it has; what is in it ends. None of that name is fine. */
int scope_stop(enum scope_manager manager, const char *unit, struct err *err);

#endif
