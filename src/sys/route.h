/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_ROUTE_H
#define SYS_ROUTE_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "sys/link.h"

/*
 * Addresses and routes by rtnetlink(7), in the namespace of sock, as in sys/link.h. Functions return 0 or -errno, with
 * the kernel's words.
 */

/* An address and how much of it is its network's. For a route with nothing in it: that to everywhere. */
struct route_prefix {
	int family; /* AF_INET or AF_INET6 */
	union {
		struct in_addr ip;
		struct in6_addr ip6;
	};
	unsigned int length; /* bits */
};

struct route_address {
	int link; /* its interface's index */
	struct route_prefix prefix;
};

struct route {
	int link; /* the first, of several */
	struct route_prefix to,
		via; /* via: of family 0 if what is there is on the link itself; may be of another than to */
	uint32_t metric;	/* the least is taken */
	unsigned char protocol; /* who has made it: RTPROT_* */
};

/* Who is at an address of the link. */
struct route_neighbour {
	int link;
	struct route_prefix ip;
	uint8_t mac[6];
};

enum route_flag {
	ROUTE_NODAD = 1,     /* IPv6: usable at once, without asking whether another has it */
	ROUTE_NO_PREFIX = 2, /* without a route to its network */
};

/* flags: of enum route_flag. -EEXIST: it has it. */
int route_add_address(int sock, int link, const struct route_prefix *address, unsigned int flags,
		      struct err *err);
/* -EADDRNOTAVAIL: it has it not. */
int route_delete_address(int sock, int link, const struct route_prefix *address, struct err *err);
/* Of all links; caller frees. */
int route_list_addresses(int sock, struct route_address **ret, size_t *ret_count, struct err *err);

/* To `to` by way of the gateway `via`, or NULL: directly. -EEXIST: there is such a one. */
int route_add(int sock, int link, const struct route_prefix *to, const struct route_prefix *via,
	      struct err *err);
int route_delete(int sock, int link, const struct route_prefix *to, struct err *err); /* -ESRCH */
/* Those of the main table that lead somewhere, of both families; caller frees. */
int route_list(int sock, struct route **ret, size_t *ret_count, struct err *err);

/* Those that somebody has set for good, of all links; caller frees. */
int route_list_neighbours(int sock, struct route_neighbour **ret, size_t *ret_count,
			  struct err *err);

/* The link of the default route, of IPv4 if there is one, else of IPv6. -ENOENT: there is neither. */
int route_find_uplink(int sock, struct link *ret, struct err *err);

#endif
