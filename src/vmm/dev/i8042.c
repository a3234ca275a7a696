// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/dev/i8042.h"

static void i8042_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	(void)ctx;
	(void)offset;
	bus_set_value(data, len, 0);
}

static void i8042_write(void *ctx, uint64_t offset, const void *data, size_t len)
{
	const struct i8042 *i8042 = ctx;

	if (offset == I8042_COMMAND && bus_value(data, len) == I8042_RESET)
		i8042->reset(i8042->ctx);
}

const struct bus_ops i8042_bus_ops = { .read = i8042_read, .write = i8042_write };
