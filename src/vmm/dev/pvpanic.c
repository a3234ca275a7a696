// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/dev/pvpanic.h"

static void pvpanic_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	(void)ctx;
	(void)offset;
	bus_set_value(data, len, PVPANIC_PANICKED | PVPANIC_CRASHED);
}

static void pvpanic_write(void *ctx, uint64_t offset, const void *data, size_t len)
{
	const struct pvpanic *pvpanic = ctx;

	(void)offset;
	if (bus_value(data, len) & PVPANIC_PANICKED)
		pvpanic->panicked(pvpanic->ctx);
}

const struct bus_ops pvpanic_bus_ops = { .read = pvpanic_read, .write = pvpanic_write };
