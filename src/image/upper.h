/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_UPPER_H
#define IMAGE_UPPER_H

#include "base/err.h"
#include "sys/idmap.h"

/*
 * The upper folder of an overlay as the tar of an image's layer: what overlayfs marks as deleted becomes .wh.NAME, a
 * folder that hides what is below it gets .wh..wh..opq. Owners, times, hard links, holes, user.* attributes and
 * file capabilities stay; sockets, and attributes that mean something to the host alone, are left out. What the folder
 * holds was written by a container: nothing in it is followed.
 */

/* As deep as an unpacked layer may be; each level takes a descriptor. */
#define UPPER_DEPTH_MAX 500

/*
 * shifted: the map by which the ids on disk are those of the namespace above; NULL: they are those inside. An id
 * that it has not is an error.
 */
int upper_write(int folder, const struct idmap *shifted, int fd, struct err *err);

#endif
