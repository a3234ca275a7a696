/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_NETWORK_H
#define NET_NETWORK_H

#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

/*
 * Networks as they are kept on disk. ROOT/networks/NAME has the record network.json and what instances were given
 * (net/lease.h). What there is of a network in the kernel and in processes follows from that and can be made anew at any
 * time (net/fabric.h); it outlives no boot.
 *
 * Who changes anything here, or in the kernel for it, holds the lock of ROOT/networks for as long. A folder whose name
 * begins with a dot is being made or removed; it gets its name, or loses it, in one rename(2), and who next takes the lock
 * removes what a killed process left.
 */
#define NETWORK_DEFAULT	   "brig0"   /* made on first use */
#define NETWORK_DOMAIN	   "brig"    /* what instances' names end with: NAME.brig */
#define NETWORK_LINK_LOCAL "fe80::1" /* of each bridge, and of nobody else on it */
#define NETWORK_DEVICE_MAX 16	     /* with the NUL: the kernel's IFNAMSIZ */

struct network_home {
	const char *root, *run; /* ROOT and RUN, as of instances */
};

enum network_type {
	NETWORK_BRIDGE, /* a bridge of ours, with addresses, names and a way out */
	NETWORK_MACVLAN, /* instances are stations of their own on the wire of an interface of the host's */
};

extern const char *const network_type_names[]; /* "bridge", "macvlan" */

struct network {
	char *name;
	int type;	 /* enum network_type */
	int64_t created; /* ns since the epoch */
	char **labels;	 /* KEY=VALUE */
	char *device;	 /* the bridge's interface */
	char *parent; /* macvlan: the interface below; bridge: one of the host's that is a port of it, or NULL */
	int64_t vlan; /* of the parent, 1 to 4094; 0: untagged */
	/*
	 * "10.1.2.1/24": the instances' gateway. It is what the host has on the bridge; with a parent, where others give
	 * addresses and routes, a router's there. NULL: none
	 */
	char *ipv4, *ipv6;
	int nat;       /* what leaves the host has its address; else the network is routed */
	int internal;  /* nothing passes to or from other networks */
	int isolated;  /* instances reach the host and what is beyond, but not each other */
	int dhcp, dns; /* they get addresses by DHCP and router advertisements, and names */
	int64_t mtu;   /* 0: that of the way out */
	char **acls;   /* rules for all its instances, see net/acl.h */
	/* Of no record, but of what an instance sees of several networks (net/view.h): these, and where it asks for names. */
	char **parts, **part_devices;
	int64_t dns_port;
};

void network_release(struct network *network);
#define _cleanup_network_ _cleanup_(network_release)

/* Its instances are on the wire of an interface of the host's, among stations that have nothing to do with brig. */
static inline int network_is_on_wire(const struct network *network)
{
	return network->parent != NULL;
}

/* What a network is if nothing is said: a bridge with NAT, DHCP and DNS, without addresses. */
void network_init(struct network *network);

/* Makes the folder ROOT/networks if it is not there; the lock, to be closed, or -errno. */
int network_lock(const struct network_home *home, struct err *err);
/* The same for who others wait for while they have it: -EWOULDBLOCK. */
int network_try_lock(const struct network_home *home, struct err *err);

/* -ENOENT with the nearest name there is. Of one that cannot be read ret has the name; release it in any case. */
int network_load(const struct network_home *home, const char *name, struct network *ret,
		 struct err *err);
int network_exists(const struct network_home *home, const char *name);
/* The names, sorted. */
int network_names(const struct network_home *home, char ***ret, struct err *err);

/* The caller holds the lock. -EEXIST if there is one of that name. Addresses and device have to be chosen before. */
int network_make(const struct network_home *home, const struct network *network, struct err *err);
/* Replaces the record. */
int network_save(const struct network_home *home, const struct network *network, struct err *err);
int network_remove(const struct network_home *home, const char *name, struct err *err);

/* ROOT/networks/NAME, and RUN/.net/NAME for what lives until the next boot. The caller frees. */
char *network_path(const struct network_home *home, const char *name);
char *network_run_path(const struct network_home *home, const char *name);

/*
 * A number that tells apart what different homes have in the one kernel: 0 for the usual RUN, else of its path. Names of
 * interfaces and tables have it.
 */
uint32_t network_home_number(const struct network_home *home);

/* The address of the network's bridge on the wire: the same at each boot. */
void network_device_mac(const struct network_home *home, const struct network *network,
			uint8_t ret[6]);

#endif
