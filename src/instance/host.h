/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_HOST_H
#define INSTANCE_HOST_H

#include "instance/instance.h"
#include "sys/cgroup_meter.h"

/* What the host has, what of it is promised to instances that run, and how many there are. What is not known is -1. */
#define HOST_NODES_MAX 1024
#define HOST_KINDS     2 /* enum instance_kind */
#define HOST_STATES    5 /* enum instance_state */

struct host_node {
	int id;
	char *cpus; /* "0-3,8-11" */
	int64_t memory_total, memory_free;
};

struct host {
	int64_t memory_total, memory_available; /* bytes; free, or given back at need */
	int64_t cpus;				/* online */
	int64_t pressure[CGROUP_PRESSURES];	/* of all that runs; hundredths of per cent */
	const char *vm_engine;			/* "kvm", "qemu", "none" */
	const char *kvm, *cgroups; /* of kvm_probe_names and cgroup_host_layout_names */
	struct host_node *nodes;
	size_t n_nodes;

	/* The sum of the limits of those that run; and how many of these have none. Of a VM its memory and vCPUs. */
	int64_t memory_promised, cpus_promised_milli;
	size_t memory_unlimited, cpus_unlimited;
	int64_t memory_reserved; /* the sum of what they were promised (instance/admit.h) */
	int64_t memory_used;	 /* by those that run, as the host counts it */
	size_t counts[HOST_KINDS][HOST_STATES], damaged;
};

int host_read(const struct instance_home *home, struct host *ret, struct err *err);
void host_release(struct host *host);
#define _cleanup_host_ _cleanup_(host_release)

#endif
