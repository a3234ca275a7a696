/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_ACPI_POWER_H
#define VMM_ACPI_POWER_H

#include <stdint.h>

#include "vmm/bus/bus.h"
#include "vmm/layout.h"

/*
 * The registers by which a guest switches its machine off or resets it: ACPI 6.5, 4.8.3.6 (reset) and 4.8.3.7
 * (sleep control and status, of hardware-reduced platforms). One byte each; the FADT says where.
 */
#define POWER_RESET	    LAYOUT_PORT_ACPI
#define POWER_SLEEP_CONTROL (LAYOUT_PORT_ACPI + 4)
#define POWER_SLEEP_STATUS  (LAYOUT_PORT_ACPI + 5)
#define POWER_LEN	    8 /* ports from LAYOUT_PORT_ACPI on */

#define POWER_RESET_VALUE 1 /* what is written to reset */
#define POWER_SLEEP_OFF	  5 /* SLP_TYP of S5, the one state there is besides running */

struct power_ops {
	/* The guest's CPU is in the write and comes out of it, unless it is stopped before. */
	void (*power_off)(void *ctx);
	void (*reset)(void *ctx);
};

/* For bus_add(); its ctx is a struct power. There is no other state. */
extern const struct bus_ops power_bus_ops;

struct power {
	const struct power_ops *ops;
	void *ctx;
};

#endif
