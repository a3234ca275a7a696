/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_ROOTFS_H
#define CONTAINER_ROOTFS_H

#include "base/err.h"
#include "container/spec.h"

/* The writable layer, and what overlayfs works with beside it, in state_dir. */
#define ROOTFS_UPPER INSTANCE_UPPER
#define ROOTFS_WORK  INSTANCE_WORK

/*
 * The container's root as a detached mount: the folder spec->root_path with what is mounted below it; or its layers'
 * erofs images and, on top, state_dir/upper. All of them appear with the ids of the user namespace (-EBADF: the host's ids); on disk ids are never shifted,
 * so another kind of instance can go on with the same files. Of an unprivileged container the layers are folders, and the
 * caller is root of its user namespace, in a mount namespace of that.
 */
int rootfs_mount(const struct spec *spec, int userns, int *ret_fd, struct err *err);

#endif
