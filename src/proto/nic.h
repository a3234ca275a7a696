/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_NIC_H
#define PROTO_NIC_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * A network interface of an instance: one of the record's `networks`, NETWORK[,KEY=VALUE]... where NETWORK is the name
 * of a network, or bridge=NAME for a bridge of the host's that brig has no part in, and the keys are
 *   mac=XX:XX:XX:XX:XX:XX  its address on the wire; every record that is kept has one
 *   ip=A.B.C.D, ip6=A:B::C addresses that were asked for; else the network gives it some, and always the same
 *   name=IFNAME            what it is called inside (eth0, eth1... by its place)
 *   rate=BITS              bits a second, each way
 *   acl=NAME               rules for it, one key each (net/acl.h)
 *   trust=1                what it sends is not looked at for addresses of others
 * NIC_USER in place of a name is a user's own way out (net/userlink.h), which has but mac= and name=, and goes with no other.
 * Alone, and instead of any of these, a record has NIC_HOST, the host's own network; or NIC_OF and the name of an
 * instance, whose network it shares. No row at all is no network.
 */
#define NIC_USER     "user"
#define NIC_HOST     "host"
#define NIC_OF	     "container:"
#define NIC_NONE     "none" /* a user's word for no rows */
#define NIC_MAX	     8	    /* of an instance */
#define NIC_NAME_MAX 16	    /* with the NUL: the kernel's IFNAMSIZ */
#define NIC_MAC_TEXT 18

struct nic {
	char *network; /* NULL: bridge */
	char *bridge;
	uint8_t mac[6];
	int has_mac;
	struct in_addr ip; /* 0.0.0.0: not asked for */
	struct in6_addr ip6;
	char name[NIC_NAME_MAX];
	int64_t rate; /* bits a second; 0: any */
	char **acls;
	int trusted;
};

void nic_release(struct nic *nic);
#define _cleanup_nic_ _cleanup_(nic_release)

/* The record's one at that place; not NIC_HOST or NIC_OF. What it names need not be there. */
int nic_parse(const char *text, size_t place, struct nic *ret, struct err *err);
/* The record's text; caller frees. */
char *nic_format(const struct nic *nic);
/* All of a record's: their number, and no address or name twice. */
int nic_check_all(char *const *texts, struct err *err);
/*
 * Of a copy: the same networks by new addresses, on the wire and else, since two of one address are none. texts is changed;
 * what cannot be read stays as it is.
 */
void nic_renew_all(char **texts);
/* One of them is alone, and NIC_HOST or NIC_OF. */
int nic_is_shared(char *const *texts);
/* It is NIC_USER. */
int nic_is_user(char *const *texts);
/* A word that means something else than the network of that name. */
int nic_is_word(const char *name);

/* Of a station alone, and not zero (IEEE 802, the group bit). */
int nic_parse_mac(const char *text, uint8_t ret[6]);
const char *nic_format_mac(const uint8_t mac[6], char text[NIC_MAC_TEXT]);
/* A new one: 02:62 and 32 random bits. Locally administered, and not one of a range that others use. */
void nic_make_mac(uint8_t ret[6]);
/* What the kernel takes for the name of an interface. */
int nic_name_is_valid(const char *name);

/*
 * What an interface is to be inside, as a line of text for a guest: name=, mac=, mtu=, then of each family ip=A/PREFIX
 * and via=GATEWAY, ip6= and via6=. A gateway is in the prefix or link-local. 0 and "::" are none. Then what networks of others
 * have besides, of either family and each as often as needed:
 *   also=A/PREFIX                    one more address
 *   route=A/PREFIX[@GATEWAY][+METRIC]  without a gateway: what is there is on the link itself
 *   near=A@MAC                       a neighbour, who is not asked for
 */
#define NIC_ALSO_MAX   16
#define NIC_ROUTES_MAX 64
#define NIC_NEAR_MAX   32

struct nic_prefix {
	int family; /* AF_INET or AF_INET6; 0: none */
	union {
		struct in_addr ip;
		struct in6_addr ip6;
	};
	unsigned int length; /* bits that are its network's */
};

struct nic_route {
	struct nic_prefix to, via;
	uint32_t metric; /* 0: the kernel's own */
};

struct nic_near {
	struct nic_prefix ip;
	uint8_t mac[6];
};

struct nic_setup {
	char name[NIC_NAME_MAX];
	uint8_t mac[6];
	uint16_t mtu;
	struct in_addr ip, via;
	unsigned int prefix;
	struct in6_addr ip6, via6;
	unsigned int prefix6;
	struct nic_prefix also[NIC_ALSO_MAX];
	struct nic_route routes[NIC_ROUTES_MAX];
	struct nic_near near[NIC_NEAR_MAX];
	size_t n_also, n_routes, n_near;
};

char *nic_setup_format(const struct nic_setup *setup); /* caller frees */
int nic_setup_parse(const char *text, struct nic_setup *ret, struct err *err);

#endif
