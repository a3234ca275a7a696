/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_NAMES_H
#define NET_NAMES_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "net/network.h"
#include "sys/link.h"

/*
 * Names and addresses by DHCP of a network: what its dnsmasq (net/steward.h) is told, and what it says. All of it is
 * text in RUN/.net/NAME:
 *
 *   dnsmasq.conf    its configuration
 *   hosts/INSTANCE  "ADDRESS NAME.brig NAME...", a line for each address
 *   dhcp/INSTANCE   "MAC,[IP6],IP,NAME,infinite"
 *   state/          what it may write: leases, and ready, which it makes when it answers
 *
 * Of a view (net/view.h) it has names alone, from the hosts of its networks, which it sees as NAMES_PART and their names.
 *
 * It sees hosts, dhcp and dnsmasq.conf below NAMES_INSIDE, state as NAMES_STATE_INSIDE, and the folder of the host's
 * resolv.conf as NAMES_RESOLVER_INSIDE, if that is not /etc.
 */
#define NAMES_CONF	      "dnsmasq.conf"
#define NAMES_HOSTS	      "hosts"
#define NAMES_DHCP	      "dhcp"
#define NAMES_STATE	      "state"
#define NAMES_LEASES	      "leases"
#define NAMES_READY	      "ready"
#define NAMES_INSIDE	      "net"
#define NAMES_STATE_INSIDE    "state"
#define NAMES_RESOLVER_INSIDE "resolver"
#define NAMES_PART	      "names-"
#define NAMES_LEASES_MAX      (8U << 20) /* bytes that are read of it */

/*
 * What a network's DHCP gives to who is no instance of brig's (a nested container, a machine behind a port): of IPv4
 * the upper quarter of the prefix, without its last address, and no more than NAMES_POOL_MAX; of IPv6, where the prefix
 * is a /64, the host parts that begin with ffff:ffff:ffff. net/lease.h gives instances none of these.
 */
#define NAMES_POOL_MAX 4096

struct names_pool {
	struct in_addr first, last;    /* 0.0.0.0: none, the prefix is too small or there is none */
	struct in6_addr first6, last6; /* ::: none */
};

void names_pool(const struct network *network, struct names_pool *ret);

/* ADDRESS/PREFIX of a family, as in struct network. ret_address: struct in_addr or in6_addr. No message. */
int names_parse_prefix(int family, const char *text, void *ret_address, unsigned int *ret_prefix);

/*
 * Where the host's resolv.conf really is, all links resolved. Its folder is shown, so that a file that replaces it is
 * seen; of one in a folder like /run, with everybody's mounts below it, the file alone is.
 */
struct names_resolver {
	char *inside; /* its path as dnsmasq sees it; NULL: there is none */
	char *shown;  /* the folder or file that is to be shown, or NULL: it is in /etc */
	char *name;   /* as what, without the first slash */
};

/* path: /etc/resolv.conf, but in tests. */
void names_find_resolver(const char *path, struct names_resolver *ret);
void names_resolver_release(struct names_resolver *resolver);
#define NAMES_RESOLVER "/etc/resolv.conf"

/*
 * The text of dnsmasq.conf for a bridge whose index and MTU are known. user: whom it runs as; resolver: names_resolver.inside. The
 * caller frees.
 */
char *names_conf(const struct network *network, const struct link *bridge, const char *user,
		 const char *resolver);

struct names_host {
	const char *name;     /* of the instance */
	char *const *aliases; /* more names; NULL: none */
	uint8_t mac[6];
	struct in_addr ip;   /* 0.0.0.0: none */
	struct in6_addr ip6; /* ::: none */
};

/*
 * From now on the names of an instance resolve, and its MAC address gets its addresses by DHCP; it replaces what was
 * said of that instance. The steward need not run. What asks after the return gets the new answer. A name that is an
 * instance's and cannot be one in DNS ("a..b") is left out. -EINVAL: a name is none at all. The caller holds the lock of
 * the networks.
 */
int names_add(const struct network_home *home, const struct network *network,
	      const struct names_host *host, struct err *err);

/* Undoes it, also what DHCP remembers; that there is nothing is success. The caller holds the lock of the networks. */
int names_remove(const struct network_home *home, const char *network, const char *name,
		 struct err *err);

/* A lease of dnsmasq's, of text that was checked: nothing in it is longer than here or not printable. */
struct names_lease {
	int64_t expires; /* seconds since the epoch; 0: never */
	char address[INET6_ADDRSTRLEN];
	char mac[64];  /* IPv4: of the hardware; IPv6: "" */
	char host[64]; /* "" if it has none */
	int family;    /* AF_INET, AF_INET6 */
};

typedef void (*names_lease_fn)(void *ctx, const struct names_lease *lease);

/* Calls fn for each lease of a text; what is none is passed over. */
void names_leases_parse(const char *text, size_t len, names_lease_fn fn, void *ctx);

/* Those of a network, instances' own among them. A network without any is no error. */
int names_leases(const struct network_home *home, const char *network, names_lease_fn fn, void *ctx,
		 struct err *err);

/*
 * For the steward, before it starts dnsmasq: takes all leases but those of the pool out of the file, so that none of an
 * instance that is gone keeps its address from the next one. state_fd: of the folder, which somebody else can write to;
 * uid: his.
 */
int names_prune_leases(int state_fd, const struct names_pool *pool, uid_t uid, struct err *err);

#endif
