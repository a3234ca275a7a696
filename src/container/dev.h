/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_DEV_H
#define CONTAINER_DEV_H

#include <sys/stat.h>

#include "base/err.h"
#include "container/spec.h"

/*
 * The container's /dev: a small tmpfs with device nodes, all made by the keeper, since a user namespace can make
 * none that opens. They belong to the container's root; what they are is decided by number here, not by what lies at
 * some path.
 *
 * Where something else is at /dev, or nothing, the tmpfs is shown nowhere (spec_mount.is_store): its nodes are bound to
 * their places one by one.
 */

/* Makes it as a detached mount, with options as the mount of spec for /dev has them. */
int dev_make(const struct spec *spec, char *const *options, uint64_t attributes, int *ret_fd,
	     struct err *err);

/* For a root without a mount at /dev: makes the places there that its own root may not be able to make, and the
 * usual links, as far as they can be made. By who made the root's mount. */
void dev_prepare(const struct spec *spec, int root);

/* Shows the devices that are not yet where they belong; by the container's first process, in its root. mounts: as
 * mounts_make_outside() left them. */
int dev_place_others(const struct spec *spec, const int *mounts, int root, struct err *err);

/* In the tmpfs, where a node waits that is to be shown outside of /dev: that of spec->devices[i]. */
#define DEV_WAITING_MAX 32
void dev_waiting_name(size_t i, char name[DEV_WAITING_MAX]);
/* The nodes below /dev that every container has; NULL past the end. */
const char *dev_standard_name(unsigned int i);

/* /dev/console is the terminal behind slave. */
int dev_add_console(int root, int slave, struct err *err);

int dev_is_null(const struct stat *st);
/* The container's /dev/null as an O_PATH descriptor; that it is one is checked. */
int dev_open_null(int root, struct err *err);

/* Rules that allow what every container may do with devices; returns how many. */
#define DEV_STANDARD_RULES 10
size_t dev_standard_rules(struct cgroup_device rules[DEV_STANDARD_RULES]);

/* What the device cgroup allows; rules holds DEV_RULES_MAX. */
#define DEV_RULES_MAX 64
int dev_rules(const struct spec *spec, struct cgroup_device rules[DEV_RULES_MAX], size_t *ret_n,
	      struct err *err);

/* Where a container that runs others has a /proc and a /sys that nothing covers; its root's alone. */
#define DEV_NESTING_NAME ".brig"
#define DEV_NESTING	 "/dev/" DEV_NESTING_NAME

#endif
