/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_ACPI_GED_H
#define VMM_ACPI_GED_H

#include <stdint.h>

#include "vmm/bus/bus.h"
#include "vmm/layout.h"

/*
 * The generic event device (ACPI 6.5, 5.6.9): how the machine tells its guest of events. Its interrupt, a
 * level, is up while the event register is not zero; the DSDT's method reads the register, which clears it.
 * So an event from before the guest has a driver waits for that driver.
 */
struct ged;

#define GED_PORT (LAYOUT_PORT_ACPI + 8) /* the event register, one byte */
#define GED_LEN	 8

enum ged_event { GED_POWER_BUTTON = 1 << 0 };

/* level: 0 or 1, of the GSI LAYOUT_IRQ_GED; called only where it changes. */
typedef void (*ged_line_fn)(void *ctx, int level);

/* For bus_add() of GED_LEN ports at GED_PORT; its ctx is the struct ged. */
extern const struct bus_ops ged_bus_ops;

struct ged *ged_new(ged_line_fn set_line, void *ctx);
struct ged *ged_free(struct ged *ged); /* returns NULL */

void ged_raise(struct ged *ged, enum ged_event event);

#endif
