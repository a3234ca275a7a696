/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_LINK_H
#define SYS_LINK_H

#include <net/if.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Network interfaces by rtnetlink(7). sock is a socket of netlink_open(NETLINK_ROUTE), and says whose namespace it is
 * about. Interfaces are meant by their index, above 0, which stays when the name does not. Functions return 0 or
 * -errno, with the kernel's words.
 */
#define LINK_KIND_MAX 16

struct link_stats {
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};

struct link {
	int index;
	char name[IFNAMSIZ];
	char kind[LINK_KIND_MAX]; /* "bridge", "veth", "tun"...; "": hardware, or the loopback */
	int is_up, is_running, is_loopback; /* running: it has a carrier, if it is up */
	uint32_t mtu;
	uint32_t group; /* a number that whoever made it may have given it; else 0 */
	uint8_t mac[6]; /* zero where its kind has none */
	int master;	/* of a port; else 0 */
	int peer;	/* a veth's other end, a macvlan's parent; else 0 */
	int peer_netns; /* the kernel's number here of the namespace that peer is in; negative: this one */
	struct link_stats stats;
};

/* -ENODEV: there is none. */
int link_find(int sock, const char *name, struct link *ret, struct err *err);
int link_get(int sock, int index, struct link *ret, struct err *err);
/* All there are; caller frees. */
int link_list(int sock, struct link **ret, size_t *ret_count, struct err *err);

/*
 * A socket (caller closes) that is ready to read whenever an interface or a route of our namespace may have changed. link_watch_drain()
 * makes it wait for the next time.
 */
int link_watch_open(struct err *err);
void link_watch_drain(int fd);

/* What a new one is to be. What is 0 is left to the kernel. */
struct link_new {
	const char *name;
	const uint8_t *mac; /* 6 bytes */
	uint32_t mtu;
	uint32_t group;
	int master;  /* in the namespace of sock, as the new one then has to be */
	int is_down; /* else it is up from birth */
	/* The namespace that it is born in, if not that of sock: a descriptor above 0, or of this process. */
	int netns;
	pid_t netns_of;
};

/*
 * One message each, and no moving: a move waits for an RCU grace period, about 16 ms. -EEXIST: the name is taken.
 * -EOPNOTSUPP: the kernel has no such kind.
 */
/* Without spanning tree, so that a port forwards from its first moment. */
int link_make_bridge(int sock, const struct link_new *bridge, struct err *err);
/*
 * peer: the other end, in any namespace. It has no master, and is down: the kernel makes it first, and it cannot be up
 * without a host end (-ENOTCONN).
 */
int link_make_veth(int sock, const struct link_new *host, const struct link_new *peer,
		   struct err *err);
/* Mode "bridge": those of one parent reach each other, but not the parent's own address. */
int link_make_macvlan(int sock, int parent, const struct link_new *macvlan, struct err *err);
int link_make_vlan(int sock, int parent, uint16_t id, const struct link_new *vlan, struct err *err);
int link_delete(int sock, int index, struct err *err);

int link_set_up(int sock, int index, int is_up, struct err *err);
int link_set_mtu(int sock, int index, uint32_t mtu, struct err *err);
int link_set_master(int sock, int index, int master, struct err *err); /* 0: none */
int link_rename(int sock, int index, const char *name, struct err *err);

/* How a bridge treats a port; what is not named is off. A port is born with LINK_PORT_LEARNING alone. */
enum link_port {
	LINK_PORT_LEARNING = 1, /* it remembers who is behind it, and sends him nothing elsewhere */
	LINK_PORT_ISOLATED = 2, /* it reaches only those that are not isolated */
	LINK_PORT_HAIRPIN = 4,	/* what came from it may go back to it */
	LINK_PORT_NEIGH_SUPPRESS =
		8, /* the bridge answers for those it knows, who hear no questions */
	LINK_PORT_BPDU_GUARD = 16, /* it is shut if spanning tree messages come from it */
	LINK_PORT_ROOT_BLOCK = 32, /* it never leads to the root bridge */
};

int link_set_port(int sock, int index, unsigned int port, struct err *err);

/*
 * What hangs on a link's carrier is done by the kernel when it comes to it, at most once a second: a bridge forwards nothing
 * to a port until then. This has it done now, of a link of the caller's own namespace.
 */
int link_settle(const char *name, struct err *err);
/* The bridge sends what is for that station out of the port, and does not learn otherwise from ports without learning. */
int link_add_station(int sock, int index, const uint8_t mac[6], struct err *err);

#endif
