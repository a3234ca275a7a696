/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_RESOURCES_H
#define CONTAINER_RESOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "container/config.h"
#include "sys/cgroup.h"

/*
 * linux.resources of the OCI runtime specification 1.3 (config-linux.md, "Control groups"), set in a group, at its
 * creation (with CGROUP_ALL) as later. What is absent stays as it is; so does what is 0 where the engines mean
 * "nothing" by it: memory's limits, shares, quota, period, weights. -1 is no limit, for pids 0 too.
 *
 * Every error names the member ("linux.resources.memory.limit: ...") and why: no controller on this host
 * (-EOPNOTSUPP), no such file in this kernel, or what the kernel said to what was written. A value that asks for no
 * limit is fine where there is no controller. An error leaves what was set before it.
 */
int resources_apply(const struct cgroup *cgroup, const struct config_resources *resources,
		    struct err *err);

/*
 * What the device cgroup allows, for cgroup_set_devices(); caller frees. Nothing, then what the list says in its
 * order, then the devices that every container has. -E2BIG: more than that takes.
 */
int resources_device_rules(const struct config_resources *resources, struct cgroup_device **ret,
			   size_t *ret_n, struct err *err);

/*
 * Version 1's numbers as version 2 has them.
 *
 * CPU shares, 2 to 262144, 1024 being usual: cpu.weight, 1 to 10000, 100 being usual, by the curve through these three
 * points on logarithmic scales that crun 1.23, runc 1.3.2 and Kubernetes 1.35 have taken up. (The straight line of
 * before made 39 of 1024, so a container that asked for the usual share got less of it than any service beside it.)
 */
uint64_t resources_cpu_weight(uint64_t shares);
/* blkio weights, 10 to 1000: io.weight, 1 to 10000, in a straight line, as all have it. */
uint64_t resources_io_weight(uint64_t weight);

#endif
