/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_INROOT_H
#define SYS_INROOT_H

#include <sys/types.h>

/*
 * Files below a root that somebody else has written (an image, a container): every path is resolved by
 * the kernel as if root were "/", so no symlink and no ".." leads out of it, and links of /proc are not
 * followed at all. Paths may begin with "/". Results are new descriptors or -errno.
 */

/* flags as open(2) has them; O_CLOEXEC and O_NOCTTY are added. */
int inroot_open(int root, const char *path, int flags);

/* The folder or regular file at path as an O_PATH descriptor, made with its parent folders if it is not
 * there. */
int inroot_make_dir(int root, const char *path, mode_t mode);
int inroot_make_file(int root, const char *path, mode_t mode);

#endif
