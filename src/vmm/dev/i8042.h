/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_DEV_I8042_H
#define VMM_DEV_I8042_H

#include "vmm/bus/bus.h"

/*
 * Of a PC's keyboard controller only the line that resets the machine: kernels try it when nothing else
 * does. It looks like one without a keyboard: never full, never with data.
 */
#define I8042_PORTS   5
#define I8042_COMMAND 4 /* the port of these that takes commands */
#define I8042_RESET   0xfe

struct i8042 {
	void (*reset)(void *ctx);
	void *ctx;
};

/* ctx: a struct i8042 */
extern const struct bus_ops i8042_bus_ops;

#endif
