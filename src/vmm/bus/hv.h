/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BUS_HV_H
#define VMM_BUS_HV_H

#include <stdint.h>

/*
 * What buses and devices need of the hypervisor, which they do not know: machine.c fills this with KVM
 * (cpu/vm.h), tests and fuzzers with something of their own. All return 0 or -errno.
 */
struct hv_ops {
	/* The GSI now stands for this message. Changing one that has an irqfd is not allowed. */
	int (*route)(void *ctx, uint32_t gsi, uint64_t address, uint32_t data);
	int (*unroute)(void *ctx, uint32_t gsi);
	/* A write to the eventfd raises the GSI, which has a route, without our doing. */
	int (*irqfd)(void *ctx, uint32_t gsi, int fd, int assign);
	/* A guest's write of len bytes (0: of any length) to the address signals the eventfd. */
	int (*ioeventfd)(void *ctx, uint64_t gpa, uint32_t len, int fd, int assign);
	/* Delivers a message at once. */
	int (*signal)(void *ctx, uint64_t address, uint32_t data);
};

struct hv {
	const struct hv_ops *ops;
	void *ctx;
};

#endif
