/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_ATTACH_H
#define NET_ATTACH_H

#include <sys/types.h>

#include "net/network.h"
#include "proto/driver.h"
#include "proto/nic.h"

/*
 * What an instance that runs has of the networks, from its keeper's side: all of its interfaces, from before its start until after
 * its end. Its networks are brought up for it, it gets its addresses, its ports are noted, let through the packet filter
 * and known by name; then its wires are made.
 *
 *   attach_new() -> container: attach_wire() at each start; VM: attach_cards() -> attach_free()
 *
 * Killed in between, the keeper leaves records, from which attach_clean() removes the rest.
 */
struct attach;

/*
 * Takes the networks' lock for as long as it works. record->networks as of proto/nic.h, all with a MAC, and not shared ones. A
 * published port that somebody else has is refused before anything is made.
 */
int attach_new(const struct network_home *home, const struct instance *record, struct attach **ret,
	       struct err *err);

/*
 * Of a container: its wires into the network namespace of process pid, where its interfaces are then up with their addresses
 * and routes. The namespace's end is theirs.
 */
int attach_wire(struct attach *attach, pid_t pid, struct err *err);

/* Of a VM: taps behind its cards, as many queues as there are vCPUs, at most; they go with attach_free(). */
int attach_make_cards(struct attach *attach, unsigned int cpus, struct err *err);

/*
 * While it runs. A container gets one interface more, into the network namespace of process pid; or loses that of a network
 * (bridge: "bridge=NAME"), with all connections over it and its addresses there. -ENOENT: it has none there.
 */
int attach_connect(struct attach *attach, const char *text, pid_t pid, struct err *err);
int attach_disconnect(struct attach *attach, const char *network, struct err *err);
/*
 * The same of a VM: a card that its machine can be given, or the one that it has there and may lose. The descriptors
 * are the attach's, until attach_disconnect(); the text is the caller's.
 */
struct attach_card {
	struct driver_nic nic;
	char *setup; /* struct nic_setup as text */
};
int attach_connect_card(struct attach *attach, const char *text, unsigned int cpus,
			struct attach_card *ret, struct err *err);
int attach_card(struct attach *attach, const char *network, struct attach_card *ret,
		struct err *err);
/* The rates of its interfaces are from now on as these texts of the record's have them, which are else what they were. */
int attach_limit(struct attach *attach, char *const *networks, struct err *err);
/* What is published from now on, instead of what was; what is in both stays as it is. On failure nothing has changed. */
int attach_republish(struct attach *attach, char *const *ports, struct err *err);

/* Owned by attach. setups: of the cards, struct nic_setup as text. addresses: "A.B.C.D", of all interfaces. */
const struct driver_nic *attach_cards(const struct attach *attach, size_t *ret_n);
char *const *attach_setups(const struct attach *attach);
char *const *attach_addresses(const struct attach *attach);
/* The texts of /etc/hosts and /etc/resolv.conf for it. */
const char *attach_hosts(const struct attach *attach);
const char *attach_resolv_conf(const struct attach *attach);

/*
 * Who answers for its names and addresses: pidfds, for the caller to close, which are readable when one has ended;
 * ret has room for ATTACH_STEWARDS. attach_answer() brings those back that are gone.
 */
#define ATTACH_STEWARDS (NIC_MAX + 1)
size_t attach_open_stewards(const struct attach *attach, int *ret);
int attach_answer(struct attach *attach, struct err *err);

/* Unplugs all of it: nothing passes any more, and others can have its ports. What fails is left to attach_clean(). */
void attach_unplug_all(struct attach *attach);
/* The same, and waits until its wires are gone. NULL is fine, for both. */
void attach_free(struct attach *attach);

/* From now on nothing of a container passes: whoever it talks with does not hear that its processes are killed. */
void attach_silence(const struct network_home *home, const struct instance *record);
/* What a killed keeper of the instance has left. Quick if there is nothing. */
int attach_clean(const struct network_home *home, const char *instance, struct err *err);
/* The addresses that it has on other networks than these are free again: its keeper was killed while it came to one or left it. */
void attach_reclaim(const struct network_home *home, const char *instance, char *const *networks);
/* Its addresses on these networks, as texts of proto/nic.h, are free for others: it is removed, or leaves them. */
void attach_forget(const struct network_home *home, const char *instance, char *const *networks);

#endif
