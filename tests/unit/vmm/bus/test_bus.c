// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/bus/bus.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

struct device {
	uint64_t offset, value;
	size_t len;
};

static void device_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	struct device *device = ctx;

	device->offset = offset;
	bus_set_value(data, len, device->value);
}

static void device_write(void *ctx, uint64_t offset, const void *data, size_t len)
{
	*(struct device *)ctx =
		(struct device){ .offset = offset, .value = bus_value(data, len), .len = len };
}

static const struct bus_ops device_ops = { device_read, device_write };

static void an_access_reaches_the_device_that_holds_all_of_it(void **state _unused_)
{
	struct device one = { .value = 0x11223344 }, two = { 0 };
	struct bus *bus = bus_new();
	uint32_t value = 0;

	assert_int_equal(bus_add(bus, 0x2000, 0x10, &device_ops, &two), 0);
	assert_int_equal(bus_add(bus, 0x1000, 0x10, &device_ops, &one), 0);
	bus_read(bus, 0x100c, &value, 4);
	assert_int_equal(value, 0x11223344);
	assert_int_equal(one.offset, 0xc);
	bus_write(bus, 0x200f, "\x7f", 1);
	assert_int_equal(two.offset, 0xf);
	assert_int_equal(two.value, 0x7f);
	bus_read(bus, 0x100d, &value, 4);
	assert_int_equal(value, 0xffffffff);
	assert_int_equal(one.offset, 0xc);
	bus_free(bus);
}

static void what_nobody_holds_reads_as_ones(void **state _unused_)
{
	struct bus *bus = bus_new();
	uint64_t value = 0;

	bus_read(bus, 0x10, &value, 8);
	assert_true(value == UINT64_MAX);
	bus_read(bus, UINT64_MAX, &value, 8);
	assert_true(value == UINT64_MAX);
	bus_write(bus, UINT64_MAX, &value, 8);
	bus_free(bus);
}

static void ranges_never_overlap_and_can_be_moved(void **state _unused_)
{
	struct device device = { 0 };
	struct bus *bus = bus_new();

	assert_int_equal(bus_add(bus, 0x1000, 0x1000, &device_ops, &device), 0);
	assert_int_equal(bus_add(bus, 0x1fff, 1, &device_ops, &device), -EEXIST);
	assert_int_equal(bus_add(bus, 0x800, 0x801, &device_ops, &device), -EEXIST);
	assert_int_equal(bus_add(bus, 0x800, 0x2000, &device_ops, &device), -EEXIST);
	assert_int_equal(bus_add(bus, 0x800, 0x800, &device_ops, &device), 0);
	assert_int_equal(bus_add(bus, UINT64_MAX, 2, &device_ops, &device), -EINVAL);
	assert_int_equal(bus_add(bus, 0x5000, 0, &device_ops, &device), -EINVAL);
	bus_remove(bus, 0x1001);
	bus_remove(bus, 0x1000);
	assert_int_equal(bus_add(bus, 0x1800, 0x1000, &device_ops, &device), 0);
	bus_free(bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_access_reaches_the_device_that_holds_all_of_it),
		cmocka_unit_test(what_nobody_holds_reads_as_ones),
		cmocka_unit_test(ranges_never_overlap_and_can_be_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
