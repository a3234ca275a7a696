/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_DEV_H
#define CONTAINER_DEV_H

#include "base/err.h"
#include "container/spec.h"

/*
 * The container's /dev: a small tmpfs with device nodes, all made by the keeper, since a user namespace can make
 * none that opens. They belong to the container's root; what they are is decided by number here, not by what lies at
 * some path.
 */

/* Makes it as a detached mount, with options as the mount of spec for /dev has them. */
int dev_make(const struct spec *spec, char *const *options, uint64_t attributes, int *ret_fd,
	     struct err *err);

/* Shows devices at paths that are not below /dev; by the container's first process, in its root. */
int dev_place_others(const struct spec *spec, int root, struct err *err);

/* /dev/console is the terminal behind slave. */
int dev_add_console(int root, int slave, struct err *err);

/* The container's /dev/null as an O_PATH descriptor; that it is one is checked. */
int dev_open_null(int root, struct err *err);

/* Rules that allow what every container may do with devices; returns how many. */
#define DEV_STANDARD_RULES 10
size_t dev_standard_rules(struct cgroup_device rules[DEV_STANDARD_RULES]);

/* What the device cgroup allows; rules holds DEV_RULES_MAX. */
#define DEV_RULES_MAX 64
int dev_rules(const struct spec *spec, struct cgroup_device rules[DEV_RULES_MAX], size_t *ret_n,
	      struct err *err);

#endif
