// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/acpi/power.h"
#include "base/take.h"

#define POWER_SLP_TYP(value) ((value) >> 2 & 7)
#define POWER_SLP_EN	     (1 << 5)

/* No register keeps anything: sleep control reads as zero (SLP_EN is write-only), and we never woke up. */
static void power_read(void *ctx _unused_, uint64_t offset _unused_, void *data _unused_,
		       size_t len _unused_)
{
}

static void power_write_byte(struct power *power, uint64_t port, uint8_t value)
{
	if (port == POWER_RESET && value == POWER_RESET_VALUE)
		power->ops->reset(power->ctx);
	if (port == POWER_SLEEP_CONTROL && value & POWER_SLP_EN &&
	    POWER_SLP_TYP(value) == POWER_SLEEP_OFF)
		power->ops->power_off(power->ctx);
}

static void power_write(void *ctx, uint64_t offset, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		power_write_byte(ctx, LAYOUT_PORT_ACPI + offset + i, ((const uint8_t *)data)[i]);
}

const struct bus_ops power_bus_ops = { .read = power_read, .write = power_write };
