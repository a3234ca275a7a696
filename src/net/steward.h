/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_STEWARD_H
#define NET_STEWARD_H

#include <sys/types.h>

#include "base/err.h"
#include "net/network.h"
#include "sys/link.h"

/*
 * The steward of a network: a process that runs and watches over its dnsmasq, which answers with what net/names.h has
 * written, and has the bridge follow the MTU of the way out. There is one for each network that has DHCP or names or
 * follows, from steward_start() to steward_stop(); where it only follows it has no dnsmasq.
 */
#define STEWARD_ROLE "steward"
#define STEWARD_LOCK "steward.lock"
#define STEWARD_LOG \
	"dnsmasq.log" /* in RUN/.net/NAME, at most STEWARD_LOG_MAX bytes, and as much in .1 */

#define STEWARD_LOG_MAX (64 << 10)

struct driver_ops;

/* Whether it has DHCP or names. */
int steward_answers(const struct network *network);

/*
 * Makes that the network's names and DHCP are answered as its record says: nothing to do if that is so already; one that is to have
 * no steward has none then; else one that runs by another record or on a bridge that is gone is ended first. Returns when dnsmasq
 * answers, or why it cannot: -ENOENT if it is not installed, -EADDRINUSE with who has the port. The record is on disk,
 * the bridge is there with its addresses, and the caller holds the lock of the networks.
 */
int steward_start(const struct network_home *home, const struct network *network,
		  const struct link *bridge, struct err *err);

/* The network's bridge. -ENODEV: there is none. */
int steward_find_bridge(const struct network *network, struct link *ret, struct err *err);

/* Ends it with its dnsmasq, and returns when both are gone. None there is success. The caller holds the lock. */
int steward_stop(const struct network_home *home, const char *network, struct err *err);

/* pid of the network's steward, 0: there is none. */
pid_t steward_pid(const struct network_home *home, const char *network);
/* A pidfd of it, which is readable once it has ended. -ESRCH: there is none. */
int steward_open(const struct network_home *home, const char *network);

/*
 * Has dnsmasq read dhcp/ again, after something there was changed or removed; with `forget` it also no longer knows any
 * lease but those of the pool. Returns at once.
 */
void steward_refresh(const struct network_home *home, const char *network, int forget);

/* The role. argv: STEWARD_ROLE, ROOT, RUN, NAME. Descriptor 3 gets a struct err once: code 0 when dnsmasq answers. */
int steward_main(int argc, char **argv, const struct driver_ops *const *drivers);

#endif
