/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_DATA_H
#define INSTANCE_DATA_H

#include "instance/instance.h"

/*
 * An instance's writable data: the files and folders of its folder that the drivers name (proto/driver.h), whatever its
 * kind. Of a user's instance they may belong to ids that only root of his user namespace can work with.
 */

/* Clones all there is of it from one such folder into another, that has none. Nothing is synced. */
int data_clone(const struct instance_home *home, int from, int to, struct err *err);

/* Moves what there is of it, and with_scratch of what was made for it, from one folder to another that has none of that
 * or leftovers, which go. A second call goes on where a first one was killed. */
int data_move(const struct instance_home *home, int from, int to, int with_scratch,
	      struct err *err);

#endif
