/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_MOUNTS_H
#define CONTAINER_MOUNTS_H

#include "base/err.h"
#include "base/fds.h"
#include "container/spec.h"

/*
 * spec->mounts, as detached mounts: fds[i] is mounts[i]'s, or -EBADF while there is none.
 *
 * Binds and /dev are made by the keeper, which may see everything of the host and make device nodes; the others by
 * the container's first process, in its namespaces, while the host's /proc is still to be seen: the kernel gives a
 * new one only to who could see all of one before.
 */
int mounts_make_outside(const struct spec *spec, int *fds, struct err *err);
/* done: descriptors that are of no more use, for the caller to close. */
int mounts_make_inside(const struct spec *spec, int has_cgroup2, int *fds, struct fds *done,
		       struct err *err);

/*
 * A new sysfs shows the network namespace of its maker, who has to own that: where the container's is somebody else's,
 * its keeper makes it, from in there.
 */
int mounts_make_sysfs(const struct spec *spec, int *fds, struct err *err);

/* Whether it shows what is there already. */
int mounts_is_bind(const struct spec_mount *mount);

/* Once all are attached: what could not be read-only before others had their places in it. */
int mounts_finish(const struct spec *spec, const int *fds, struct err *err);

/* Attaches them below root, in their order. */
int mounts_attach(const struct spec *spec, const int *fds, int root, struct err *err);

/* Covers spec->masked_paths, and makes spec->readonly_paths read-only, as far as they are there. */
int mounts_mask(const struct spec *spec, int root, struct err *err);

/* The mount of spec that has this destination, or -1. */
int mounts_find(const struct spec *spec, const char *destination);

#endif
