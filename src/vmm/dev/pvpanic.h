/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_DEV_PVPANIC_H
#define VMM_DEV_PVPANIC_H

#include "vmm/bus/bus.h"

/*
 * A port by which a guest's kernel says that it has given up: QEMU's docs/specs/pvpanic.rst. The guest
 * reads what it may tell, and writes what happened.
 */
#define PVPANIC_PORTS	 1
#define PVPANIC_PANICKED 1
#define PVPANIC_CRASHED	 2 /* it loads another kernel to look into it, and goes on */

struct pvpanic {
	void (*panicked)(void *ctx);
	void *ctx;
};

/* ctx: a struct pvpanic */
extern const struct bus_ops pvpanic_bus_ops;

#endif
