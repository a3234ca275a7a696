/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_VM_NET_H
#define OCI_VM_NET_H

#include "proto/driver.h"
#include "proto/nic.h"
#include "sys/link.h"
#include "sys/route.h"

/*
 * A machine in a network that its engine has made: each interface of the namespace that is up, the loopback aside, becomes
 * a card of the machine's, with all that it has there. What comes in by it goes to a tap beside it, and what comes from the
 * tap goes out by it (sys/ingress.h); so the kernel's own stack, which keeps the addresses, hears and says nothing.
 */
#define VM_NET_QUEUES 8
#define VM_NET_RECORD "net" /* in the container's folder, where the kernel needs it */

/* What the namespace has, beside its interfaces. */
struct vm_net_tables {
	struct route_address *addresses;
	struct route *routes;
	struct route_neighbour *neighbours;
	size_t n_addresses, n_routes, n_neighbours;
};

/* What the interface is to be in the machine. -EOPNOTSUPP: it cannot be, and why; -E2BIG: it has too much. */
int vm_net_describe(const struct link *link, const struct vm_net_tables *tables,
		    struct nic_setup *ret, struct err *err);

struct vm_net_card {
	int link; /* the interface of the namespace */
	int queues[VM_NET_QUEUES];
	int holds[2]; /* of sys/ingress.h */
};

struct vm_net {
	int sock; /* in the namespace */
	const char *path;
	int folder;
	struct driver_nic nics[NIC_MAX];
	struct vm_net_card cards[NIC_MAX];
	char **setups; /* of the cards, struct nic_setup as text */
	size_t n;
};

#define VM_NET_INIT ((struct vm_net){ .sock = -EBADF })

/*
 * In the calling thread's namespace. cpus: of the machine. path: where others find the namespace, or NULL; folder: of the
 * container. Release it in any case, after the machine.
 */
int vm_net_make(unsigned int cpus, const char *path, int folder, struct vm_net *ret,
		struct err *err);
void vm_net_release(struct vm_net *net);

/* What a holder that was killed left in a namespace of others; dir: the container's folder. */
void vm_net_clean(int dir);

#endif
