/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_ELEMENT_H
#define NET_ELEMENT_H

#include "base/buf.h"
#include "net/acl.h"
#include "net/port.h"
#include "sys/nftset.h"

/*
 * Elements of the packet filter's sets and maps: as the kernel has them, which is how one port's are added and removed, and as
 * nft(8) reads them, which is how all are made with their table.
 */
enum element_set {
	ELEMENT_PORTS, /* ports that are looked at */
	ELEMENT_MACS,  /* and what addresses each has */
	ELEMENT_ADDRESSES,
	ELEMENT_ADDRESSES6,
	ELEMENT_TARGETS6, /* the same ones, for neighbour advertisements */
	ELEMENT_UNBOUND,  /* ports whose addresses nobody here gives, and so knows */
	ELEMENT_LOOPS,	  /* from a port to itself, of those that may get back what they sent */
	ELEMENT_ACL_IN, /* what becomes of what a port with ACLs gets: all is let in, or its ACLs decide */
	ELEMENT_ACL_OUT,
	ELEMENT_ACL_IN1, /* and the rules of each, up to ACLS_MAX places */
	ELEMENT_ACL_OUT1 = ELEMENT_ACL_IN1 + ACLS_MAX,
	ELEMENT_ACL_LAST = ELEMENT_ACL_OUT1 + ACLS_MAX - 1,
	ELEMENT_ENDS, /* all ports; from here on in the table of family inet */
	ELEMENT_PUBLISHED,
	ELEMENT_PUBLISHED6,
	ELEMENT_PUBLISHED_AT,
	ELEMENT_PUBLISHED_AT6,
	ELEMENT_BESIDE, /* who is reached past its answers' way: on which bridge, at what address */
	ELEMENT_BESIDE6,
	ELEMENT_NAMES, /* where who has an address asks for names (net/view.h) */
	ELEMENT_NAMES6,
	ELEMENT_VIEWS, /* where that is on its bridge, which nobody else may ask */
	ELEMENT_SETS,
};

#define ELEMENT_FIRST_INET ELEMENT_ENDS

struct element {
	enum element_set set;
	struct nftset_element of;
};

struct elements {
	struct element *items;
	size_t n;
};

void elements_release(struct elements *elements);
#define _cleanup_elements_ _cleanup_(elements_release)

const char *element_set_name(enum element_set set);
/* How nft(8) declares it: "set ports { type ifname" and so on, without the elements and the end. */
void element_declare(enum element_set set, struct buf *text);
/* As nft(8) reads it. */
void element_format(const struct element *element, struct buf *text);

/* Adds those of a port. What its record has wrong is left out; an ACL that cannot be read lets nothing pass. */
void elements_of_port(const struct network_home *home, const struct port *port,
		      struct elements *ret);

#endif
