/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_RULESET_H
#define NET_RULESET_H

#include "base/buf.h"
#include "net/port.h"

/*
 * The packet filter: what brig has in nftables, a table of one name in two families. What it says follows from the records of
 * networks and ports alone. It is made as a whole, in one transaction, when a network comes, changes or goes; a port that
 * is plugged in or out adds or removes elements of its sets. Tables of others are not looked at. The caller holds the networks'
 * lock.
 *
 * bridge: what a port sends has the addresses that its interface was given, in Ethernet, ARP, IPv4 and IPv6 with its
 * neighbour discovery, and offers neither DHCP nor routes; then ACLs (net/acl_chain.h). inet: who may pass from one network to another, what the
 * host's address stands for, and where published ports lead.
 */

/* "brig", and for homes that are not the usual one "brig" and 8 hexadecimal digits. */
#define RULESET_NAME_MAX 16
const char *ruleset_name(const struct network_home *home, char ret[RULESET_NAME_MAX]);

/* The text for nft(8) that makes it all, in place of what is there. can_reject: see net/acl_chain.h. */
int ruleset_text(const struct network_home *home, int can_reject, struct buf *ret, struct err *err);
int ruleset_apply(const struct network_home *home, struct err *err);
/* Both tables go; none is fine. */
int ruleset_remove(const struct network_home *home, struct err *err);
/* Both tables go if there is neither a network nor a port any more: 1 then, else 0 or -errno. */
int ruleset_trim(const struct network_home *home, struct err *err);
/* Whether the tables are there, as far as one can see without reading all of them. */
int ruleset_is_there(const struct network_home *home);

/* The elements of one port; those that are there already, or are gone, are fine. */
int ruleset_add_port(const struct network_home *home, const struct port *port, struct err *err);
int ruleset_remove_port(const struct network_home *home, const struct port *port, struct err *err);

#endif
