/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_ACL_CHAIN_H
#define NET_ACL_CHAIN_H

#include "base/buf.h"
#include "net/acl.h"

/*
 * ACLs in the packet filter's table of family bridge, where all that an interface sends and gets passes, also between two
 * ports of one bridge. Each has a chain for a direction in which it has rules; which ports it is for are elements of maps
 * (net/element.h).
 *
 * What was allowed is noted as a conversation of the port: the two addresses, the protocol, and the two ports of tcp or udp or
 * the number of a ping. Its packets pass both ways from then on. This is done by sets of the table instead of the kernel's own
 * tracking, since not every kernel has that for bridges (nf_conntrack_bridge), and it would track all bridges of the host.
 * 1. A conversation is one port's alone: what others send, to whatever address, opens nothing for it.
 * 2. What begins one lasts ACL_CHAIN_BEGUN; only what comes in makes that longer, so an instance that speaks to nobody fills
 *    the sets for no longer. A full set begins none: the packet passes, the answer does not.
 * 3. A changed ACL holds for conversations that were there, too: when the table is made anew, those are taken over that one of both
 *    sides may still begin (net/acl_talk.h), and the others end. One that began meanwhile is begun again by its next packet.
 * 4. Fragments behind the first, which have no ports, pass if the first one did.
 *
 * Closed directions let pass besides: ARP, neighbour discovery, MLD; DHCP with the network's gateway and to all on the link;
 * DNS to the gateway; and inwards what ICMP says of errors, which finding a path's MTU needs, and TCP's resets.
 */
#define ACL_CHAIN_NAME_MAX 96

/* Of an ACL's chain for a direction. */
const char *acl_chain_name(const char *acl, enum acl_direction direction,
			   char ret[ACL_CHAIN_NAME_MAX]);

/* All of them, and what they have in common. can_reject: the kernel can answer in a bridge; else rejected is dropped. */
int acl_chain_put_all(const struct network_home *home, int can_reject, struct buf *ret,
		      struct err *err);

/* What nft(8) is asked to see whether the kernel can reject in a bridge. */
extern const char acl_chain_probe[];

#endif
