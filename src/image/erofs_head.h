/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_EROFS_HEAD_H
#define IMAGE_EROFS_HEAD_H

/*
 * Looks at the head of a layer's erofs image (fs/erofs/erofs_fs.h of Linux): that it is one, with the checksum of its
 * superblock, as long as that says, and with the UUID of the layer (image/layer.c). NULL, or what is wrong.
 */
const char *erofs_head_check(int fd, const char *diff_id);

#endif
