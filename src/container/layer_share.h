/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_LAYER_SHARE_H
#define CONTAINER_LAYER_SHARE_H

#include "sys/idmap.h"

/*
 * The mounts of layers that a keeper's container has, which it shares with others of the same layers, and they with it:
 * only then the kernel keeps what is read of a layer in memory once.
 */
struct layer_share;

/* In the folder of all instances at run time: who has which. */
#define LAYER_SHARE_DIR ".layers"

/* dir: such a folder, which is made if needed, and is root's alone. */
struct layer_share *layer_share_new(const char *dir);
/* NULL is fine. */
struct layer_share *layer_share_free(struct layer_share *share);

/* Notes in dir of processes that are not there any more go. */
void layer_share_clean(const char *dir);

/*
 * Of the erofs image at path, with ids shifted by the map: a detached mount for the caller alone, a second view of one
 * that another keeper holds. -ENOENT: there is none, or the kernel cannot (before 6.15), or share is NULL.
 */
int layer_share_take(const struct layer_share *share, const char *path, const struct idmap *map,
		     int *ret_fd);
/* That is such a mount, for others until layer_share_free(). It stays the caller's to close. */
void layer_share_hold(struct layer_share *share, const char *path, const struct idmap *map,
		      int mnt);

#endif
