/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_LEASE_H
#define NET_LEASE_H

#include "net/network.h"
#include "net/subnet.h"
#include "proto/nic.h"

/*
 * What addresses instances have in a network: ROOT/networks/NAME/leases.json. An interface is known by its MAC, so it keeps its
 * addresses as long as its instance is there and on the network, whatever that is called and of whichever kind. Those of an instance that is gone when it ends
 * (--rm) are in RUN/.net/NAME/leases.json instead, which nobody waits for a disk for. The caller holds the networks' lock
 * (network_lock()) for each of these.
 */
struct lease {
	char *mac, *ip, *ip6; /* "": none of that family */
	char *instance;	      /* who had it when it last started */
	int transient;	      /* in which of the two files it is */
};

struct leases {
	struct lease *items;
	size_t n;
};

void leases_release(struct leases *leases);
#define _cleanup_leases_ _cleanup_(leases_release)

/* Both files'; none if there is none. */
int leases_load(const struct network_home *home, const char *network, struct leases *ret,
		struct err *err);

/*
 * The addresses of an interface in its network: those it has, or was asked for, or new ones. A family that the network does
 * not have is none (family 0). Refused: an address that is not the network's, is the host's or another's (-EADDRINUSE), and
 * an interface whose MAC that of another instance has which runs (-EADDRINUSE).
 * -EADDRNOTAVAIL: all are given away, also after those of instances that are gone were taken back.
 */
int lease_take(const struct network_home *home, const struct network *network, const char *instance,
	       int transient, const struct nic *nic, struct subnet *ret_ip, struct subnet *ret_ip6,
	       struct err *err);

/*
 * Takes the addresses of an instance's interface back; none is fine, and so is that another instance, which is there, has that
 * MAC: the one that goes is a copy of it.
 */
int lease_drop(const struct network_home *home, const char *network, const char *instance,
	       const uint8_t mac[6], struct err *err);

/* The same for all of the instance's there whose interfaces are not among `networks`, texts of proto/nic.h. */
int lease_drop_others(const struct network_home *home, const char *network, const char *instance,
		      char *const *networks, struct err *err);

/* A file that cannot be read is put aside as leases.json.damaged, and what instances have that run is noted anew. */
int lease_repair(const struct network_home *home, const char *network, struct err *err);

#endif
