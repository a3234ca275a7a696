/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_USERLINK_H
#define NET_USERLINK_H

#include <sys/types.h>

#include "proto/driver.h"

/*
 * The network of an instance of a user who is not root (NIC_USER): its one interface, from its keeper's side. Behind it is a
 * process of passt's (net/passt.h), a child of the keeper, which makes the instance's connections its own: from there
 * the instance reaches what the user reaches, but for the host's loopback, and nobody reaches the instance but by ports
 * that are published. Nothing of it is kept anywhere: with the keeper, however it ends, all of it is gone.
 *
 *   userlink_new() -> at each start, container: userlink_wire(); VM: userlink_make_card() -> userlink_free()
 */
struct userlink;

/*
 * record: NIC_USER, with a MAC; it outlives the link. Refused, before anything is made, are a host without what it takes, without
 * any way out, and a published port that somebody else has or that takes root.
 */
int userlink_new(const struct instance *record, struct userlink **ret, struct err *err);

/* The interface is in the network namespace of process pid, up, with its addresses and routes, and its ports are open. */
int userlink_wire(struct userlink *link, pid_t pid, struct err *err);
/* A stream for the VM's card, anew: a packet that a machine had no time to end is nothing to the next. */
int userlink_make_card(struct userlink *link, struct err *err);

/* As those of net/attach.h. The card is the same struct for good; there is none before userlink_make_card(). */
const struct driver_nic *userlink_cards(const struct userlink *link, size_t *ret_n);
char *const *userlink_setups(const struct userlink *link);
char *const *userlink_addresses(const struct userlink *link);
const char *userlink_hosts(const struct userlink *link);
const char *userlink_resolv_conf(const struct userlink *link);

void userlink_free(struct userlink *link); /* NULL is fine */

#endif
