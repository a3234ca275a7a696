/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_CLONE_H
#define SYS_CLONE_H

#include "base/err.h"

/* Folders in folders, at most: each takes two descriptors. */
#define CLONE_DEPTH_MAX 1000

/*
 * The file's content, in an empty file: it shares the blocks where the file system can (FICLONE), and is copied with its
 * holes elsewhere. 0 or -errno.
 */
int clone_file(int in, int out);

/*
 * The file or folder `name` of the folder `from`, as the new entry new_name of the folder `to`: owners, modes, times to
 * the nanosecond, all extended attributes (overlayfs' own among them), hard links within it, holes, devices, whiteouts,
 * fifos, sockets, symlinks. Nothing is followed and no mount is entered, so it does not matter who wrote the tree, as
 * long as nobody changes it meanwhile; `to` is the caller's alone. Nothing is synced.
 *
 * What cannot be kept is an error. A failure leaves a part of the clone for the caller to remove.
 */
int clone_tree(int from, const char *name, int to, const char *new_name, struct err *err);

#endif
