/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include <sys/types.h>

#include "net/port.h"

/*
 * Wires: a veth pair of a container, a tap of a VM. The host's end has the port's name, is up and a port of its bridge;
 * without a bridge the container's end is a macvlan on `parent`.
 */
struct wire_way {
	const struct port *port;
	const struct nic_setup *setup; /* of the other end */
	const char *parent;	       /* an interface of the host's; NULL: port->bridge */
};

/*
 * Into the network namespace of process pid, whose end of it has its address, its routes and its name, and is up. A wire of the
 * port's name that an ended run left is removed first.
 */
int wire_container(const struct wire_way *way, pid_t pid, struct err *err);

/* How the bridge treats the port, after it was given to it. sock: as of sys/link.h. */
int wire_set_port(int sock, const struct port *port, struct err *err);

/*
 * The same of a port that is plugged in, after it began or ended to publish, or br_netfilter came or went: where that brings what stays
 * on the bridge to the packet filter, a published port is looked up there, and who sent that himself gets it back by his own port.
 */
int wire_refresh_port(int sock, const struct port *port, struct err *err);

/* The same of one that has another rate from now on; 0 is any. */
int wire_limit_port(int sock, const struct port *port, struct err *err);

#define WIRE_QUEUES_MAX 8

struct wire_taps {
	int fds[WIRE_QUEUES_MAX];
	unsigned int n;
	int vhost; /* the host has vhost-net */
};
#define WIRE_TAPS_INIT ((struct wire_taps){ .n = 0 })

/* A tap with a queue for each of cpus, up to WIRE_QUEUES_MAX. It goes with its descriptors. */
int wire_vm(const struct wire_way *way, unsigned int cpus, struct wire_taps *ret, struct err *err);
void wire_taps_release(struct wire_taps *taps);

/*
 * The host's end is down for good: nothing passes any more. It goes with its other end, a container's namespace or a VM's
 * descriptors; but that may be a minute later, as long as the kernel keeps a connection's memory. *ret_index: to remove it by
 * before, which waits for the other CPUs, 20 ms; 0: it is gone already.
 */
int wire_unplug(const char *device, int *ret_index, struct err *err);
/* By its index, which no later wire of the name has. */
void wire_sweep(int index);
/* The wire is gone. */
int wire_remove(const char *device, struct err *err);

#endif
