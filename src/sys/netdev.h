/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_NETDEV_H
#define SYS_NETDEV_H

#include <net/if.h>

#include "base/err.h"

/* Whether a network interface can have this name: the kernel's dev_valid_name(). */
int netdev_name_is_valid(const char *name);

/*
 * Moves the interface `name` of the network namespace `from` into `to`, under the name `as`, and brings it up there
 * with the permanent global addresses that it had. `as` may have one "%d", for the lowest number that is free.
 * from, to: descriptors; negative: our own namespace. What goes wrong after the move is undone by moving it
 * back. ret_name: the name that it has there.
 */
int netdev_move(int from, const char *name, int to, const char *as, char ret_name[IFNAMSIZ],
		struct err *err);

#endif
