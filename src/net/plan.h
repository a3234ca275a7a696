/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_PLAN_H
#define NET_PLAN_H

#include "net/network.h"

/*
 * What a new network is to be, before it is made: names and addresses that clash with nothing that the host has now. The
 * caller holds the networks' lock, and network_make()s it under the same.
 */
enum plan_family {
	PLAN_CHOOSE, /* a subnet is chosen, if none is given and the network is a bridge of ours without a parent */
	PLAN_NONE, /* the network has none of this family */
};

/*
 * Fills in the device, and what is missing of ipv4 and ipv6; a subnet whose address is the network's own ("10.1.2.0/24") gets its
 * first address. -EADDRINUSE says what has it already, -EEXIST that the device's name is taken.
 */
int plan_network(const struct network_home *home, struct network *network, enum plan_family ipv4,
		 enum plan_family ipv6, struct err *err);

/* What can be said against its values alone, without the host. */
int plan_check(const struct network *network, struct err *err);

#endif
