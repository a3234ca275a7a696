/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_DATA_H
#define INSTANCE_DATA_H

#include "instance/instance.h"

/*
 * An instance's writable data: the files and folders of its folder that the drivers name (proto/driver.h), whatever its
 * kind. Of a user's instance they may belong to ids that only root of his user namespace can work with.
 */

/*
 * fn works on such files as who may: root, or root of the user's namespace, in a child of which nothing but the error comes
 * back then.
 */
int data_run(int (*fn)(void *ctx, struct err *err), void *ctx, struct err *err);

/* How the owners of a container's files are on the disk. */
enum data_owners {
	DATA_OWNERS_INSIDE, /* as they are seen inside */
	DATA_OWNERS_SHIFTED, /* for want of idmapped mounts: by where the container's range of ids begins */
	DATA_OWNERS_USER, /* as seen inside, with the marks of overlayfs that a user may make */
};
extern const char *const data_owners_names[]; /* "inside", ... */

/* Of what is below path; for DATA_OWNERS_SHIFTED *why says what is missing. -errno. */
int data_owners(const char *path, struct err *why);

/* Whether an instance of the kind has data by that name, and that is a file (1) or a folder (2); 0: it has not. */
int data_is_name(const struct instance_home *home, int kind, const char *name);

/* Clones all there is of it from one such folder into another, that has none. Nothing is synced. */
int data_clone(const struct instance_home *home, int from, int to, struct err *err);

/* Moves what there is of it, and with_scratch of what was made for it, from one folder to another that has none of that
 * or leftovers, which go. A second call goes on where a first one was killed. */
int data_move(const struct instance_home *home, int from, int to, int with_scratch,
	      struct err *err);

#endif
