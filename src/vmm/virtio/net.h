/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include <stdint.h>

#include "vmm/virtio/virtio.h"

/*
 * A network card (virtio 1.2 section 5.1) on a tap, with one pair of queues for each of its descriptors.
 * Packets pass between tap and guest memory without a copy of ours; with vhost the kernel does all of it.
 * The guest may set its card's address and filters; nothing is filtered here.
 */
struct net;

#define NET_PAIRS_MAX 16

struct net_options {
	uint8_t mac[6];
	uint16_t mtu;	    /* 0: the guest is not told */
	unsigned int pairs; /* 1 to NET_PAIRS_MAX */
	/*
	 * As many taps: queues of one interface, of sys/tap.h. Instead of a tap there may be a socket that
	 * keeps messages apart, each a packet with the header of 12 bytes before it.
	 */
	const int *taps;
	int is_stream;	   /* instead of a tap it is one stream socket, see net_stream.h */
	const int *vhosts; /* and as many vhost-net devices, or NULL */
};

/*
 * Takes over the descriptors; on failure they are still the caller's. A vhost that cannot do what we need
 * is closed and done without. The device lives as long as *ret, which owns it.
 *
 * In its jail the process needs these ioctls: VHOST_* with vhost; TUNSETOFFLOAD for guests that cannot take
 * over the work on packets, TUNSETQUEUE with more than one pair.
 */
int net_new(const struct virtio_host *host, const struct net_options *options, struct virtio **ret,
	    struct net **ret_net, struct err *err);

/* Is the cable plugged in? It is at first. Without, nothing passes. */
void net_set_link(struct net *net, int up);
/* Does the kernel serve the queues now? */
int net_offloaded(const struct net *net);

#endif
