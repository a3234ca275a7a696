/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_STATS_H
#define INSTANCE_STATS_H

#include "instance/instance.h"
#include "sys/cgroup_meter.h"

/* What an instance uses. What nobody knows is -1. */
struct instance_stats {
	int64_t memory_limit; /* bytes, 0: none */
	int64_t memory_held;  /* of these, of a VM, what `brig balance` has taken for now */
	int64_t memory_host; /* bytes that the host spends on it: on a VM with its monitor and its devices */
	int64_t memory_guest; /* bytes in use as the workload sees it */
	int64_t pids;	      /* of a VM, inside */
	int64_t received,
		sent; /* bytes over its networks since the start; a VM's or a container's own count alike */
	struct message_stats guest; /* what its agent has said; all 0: it has not */
	struct cgroup_stats group;  /* the rest, as the host counts it; cpu_ns is since the start */
	int64_t taken;		    /* units_monotonic() */
};

struct stats_item {
	const struct instance_view *view; /* the caller's */
	struct instance_stats stats;
};

enum {
	STATS_GUESTS = 1 << 0, /* ask the agents of VMs, waited for at most 200 ms, all together */
	STATS_NETWORKS = 1 << 1,
};

/* Figures of all of them. Of one that does not run nothing is known but its limit. */
void stats_read(const struct instance_home *home, unsigned int what, struct stats_item *items,
		size_t n);

/* Asks the agents alone, as with STATS_GUESTS, and waits for at most ms. */
void stats_read_guests(const struct instance_home *home, int ms, struct stats_item *items,
		       size_t n);

#endif
