/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_CGROUP_MOUNTS_H
#define CONTAINER_CGROUP_MOUNTS_H

#include "container/spec.h"

/*
 * The container's own groups at destination, as config-linux.md has mounts of type "cgroup": what the host has,
 * version 2 or a folder of version 1's hierarchies, with the container's group as the top of each. All are
 * binds, since a new mount of version 2 waits for an RCU grace period outside of a cgroup namespace.
 */
void cgroup_mounts_add(struct spec *spec, const char *destination, char *const *options);

#endif
