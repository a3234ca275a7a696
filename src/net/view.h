/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_VIEW_H
#define NET_VIEW_H

#include "net/network.h"

/*
 * The names of several networks as one. A resolver asks one server after another, but takes a NO from any of them for a no, and each
 * network's dnsmasq knows its own names alone. So an instance on several networks that have names has a dnsmasq for itself, which
 * answers with the names of all of them: what it sends to port 53 of any of its gateways the packet filter leads to a port of
 * the host's where that one listens, on its bridges alone. Others on these networks see no more than before.
 *
 * It is a steward (net/steward.h) as a network's, by the name "@INSTANCE" and in RUN/.net/@INSTANCE; what it is follows from
 * the records of the instance's ports, which have the number of that port (names_port). The caller holds the networks' lock.
 */
#define VIEW_MARK '@'

/* What its steward is to serve; name: with the mark. -ENOENT: it is on no two networks with names. */
int view_load(const struct network_home *home, const char *name, struct network *ret,
	      struct err *err);

/* A port of the host's that nobody has. */
int view_choose_port(uint16_t *ret, struct err *err);

/* As its ports' records say: it runs, or there is none. */
int view_up(const struct network_home *home, const char *instance, struct err *err);
int view_down(const struct network_home *home, const char *instance, struct err *err);
/* As steward_open(). */
int view_open(const struct network_home *home, const char *instance);

#endif
