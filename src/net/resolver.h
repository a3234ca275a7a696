/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "base/buf.h"
#include "net/network.h"
#include "proto/instance.h"

/* What stands in an instance's /etc/resolv.conf and /etc/hosts. */

/* "nameserver" lines of a network that answers for names, by its own addresses; none if it does not. */
void resolver_add_network(const struct network *network, struct buf *text);
/*
 * Those of the host, but for what only it can reach: a resolver on its loopback. Where it has nothing else, what
 * systemd-resolved itself asks. None is none.
 */
void resolver_add_host(struct buf *text);

/*
 * All of it for an instance: the servers that it was given, or those of its networks ("nameserver" lines, or NULL), or the host's. The
 * caller frees.
 */
char *resolver_conf(const struct instance *record, const struct buf *of_networks);
/* /etc/hosts of an instance that has these addresses; caller frees. */
char *resolver_hosts(const struct instance *record, char *const *addresses);

#endif
