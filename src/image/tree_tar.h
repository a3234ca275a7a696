/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_TREE_TAR_H
#define IMAGE_TREE_TAR_H

#include "base/err.h"

/* What `brig cp` copies (proto/tree.h), as a tar archive on the other side. */

/*
 * A tree stream from fd to an archive on tar. Sockets, which an archive has not, are left out. Each file lies in a file
 * without a name in the folder `room` first, since an archive says a file's size before it.
 */
int tree_tar_write(int fd, const char *room, int tar, struct err *err);

/*
 * An archive, plain or compressed, from tar to a tree stream on fd, of what is in a folder. A path that leads out of it is
 * refused; what it lies in is made. The bytes are hostile: tree_tar_read() reads them in a confined process, whose folder is
 * in root (image/work.h).
 */
int tree_tar_read(int tar, const char *root, int fd, struct err *err);
int tree_tar_read_here(int tar, int fd, struct err *err);

#endif
