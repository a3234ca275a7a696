/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_RDT_H
#define CONTAINER_RDT_H

#include <sys/types.h>

#include "base/err.h"
#include "container/config.h"

/*
 * linux.intelRdt of the OCI runtime specification 1.3 (config-linux.md, "IntelRdt"): shares of caches and memory
 * bandwidth, by a class of service, a folder of a resctrl file system that many containers may be in. All works on
 * the descriptor of that file system's root. Errors name the member.
 */

/* What is there of one container. */
struct rdt {
	char *group;	/* the class's folder, "." for the root's own class */
	char *monitor;	/* the container's monitoring group, NULL: none */
	char **make;	/* those of the two that are not there yet, in the order of making */
	char *schemata; /* what is to be written; NULL: nothing */
};

/* What can be said without a resctrl. */
int rdt_check(const struct config_intel_rdt *config, struct err *err);

/* The root of the resctrl that is mounted here. */
int rdt_open_root(struct err *err);

/* The names alone, of what is there already. Release it in any case. */
void rdt_name(const struct config_intel_rdt *config, const char *id, struct rdt *ret);
/* Looks at what is there; makes and writes nothing. Release it in any case. */
int rdt_plan(int root, const struct config_intel_rdt *config, const char *id, struct rdt *ret,
	     struct err *err);
int rdt_make(int root, const struct rdt *rdt, struct err *err);
int rdt_write(int root, const struct rdt *rdt, struct err *err);
/* pid 0: the caller. Its children follow. */
int rdt_join(int root, const struct rdt *rdt, pid_t pid, struct err *err);
/* Removes what rdt_make() made (rdt->make), but no class that somebody else is in by now. */
void rdt_remove(int root, char *const *made);

void rdt_release(struct rdt *rdt);
#define _cleanup_rdt_ _cleanup_(rdt_release)

#endif
