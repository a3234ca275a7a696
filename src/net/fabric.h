/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_FABRIC_H
#define NET_FABRIC_H

#include "net/network.h"
#include "net/port.h"

/*
 * What there is of networks in the kernel and in processes: bridges with their addresses, the packet filter, and who answers for
 * names and addresses. Each of these follows from the records and is made anew where it is missing; what is there already and
 * right costs a few questions. The caller holds the networks' lock.
 */

/*
 * The network works: its device, with the ports that belong to it, the rules and the names. *ret_mtu: of its device.
 * Something of another's that has the device's name is refused.
 */
int fabric_up(const struct network_home *home, const struct network *network, uint32_t *ret_mtu,
	      struct err *err);
/* The same, and what is there is set up again, whatever somebody has changed of it. */
int fabric_repair(const struct network_home *home, const struct network *network, struct err *err);
/*
 * Of a network whose MTU follows the way out: its bridge does so now. Takes the lock itself: -EWOULDBLOCK, somebody has it.
 */
int fabric_follow(const struct network_home *home, const struct network *network, struct err *err);
/* Its steward, if it is to have one, whose bridge is there: nothing to do if it runs. */
int fabric_answer(const struct network_home *home, const char *name, struct err *err);
/* Whether its MTU follows another interface's. */
int fabric_follows(const struct network *network);
int fabric_is_up(const struct network *network);
/* Nothing of it is left (without a device: of the network of that name, whose record cannot be read), but for the rules, which follow from the records. What is plugged in loses its way. */
int fabric_down(const struct network_home *home, const struct network *network, struct err *err);

/* Makes the record of NETWORK_DEFAULT if there is none. */
int fabric_make_default(const struct network_home *home, struct err *err);

/*
 * Connections to a published port on the host's loopback address may go on to the bridge of that name: the kernel takes
 * them for impossible else. The rules keep instances from that address.
 */
int fabric_open_loopback(const char *bridge, struct err *err);

/* The bridge of somebody else's that a port is to be of: it is there, and a bridge, and so are the rules. *ret_mtu: its MTU. */
int fabric_use_bridge(const struct network_home *home, const char *name, uint32_t *ret_mtu,
		      struct err *err);

#endif
