// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/acpi/power.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static unsigned int offs, resets;

static void note_off(void *ctx _unused_)
{
	offs++;
}

static void note_reset(void *ctx _unused_)
{
	resets++;
}

static const struct power_ops ops = { .power_off = note_off, .reset = note_reset };
static struct power power = { .ops = &ops };

static void put(uint64_t port, uint32_t value, size_t len)
{
	offs = resets = 0;
	power_bus_ops.write(&power, port - LAYOUT_PORT_ACPI, &value, len);
}

static void sleeping_in_s5_is_power_off(void **state _unused_)
{
	put(POWER_SLEEP_CONTROL, 0x34, 1);
	assert_int_equal(offs, 1);
	assert_int_equal(resets, 0);
	put(POWER_SLEEP_CONTROL, 0x14, 1); /* no SLP_EN */
	assert_int_equal(offs, 0);
	put(POWER_SLEEP_CONTROL, 0x20, 1); /* S0 */
	assert_int_equal(offs, 0);
	put(POWER_SLEEP_STATUS, 0xb4, 1);
	assert_int_equal(offs, 0);
}

static void only_its_value_resets(void **state _unused_)
{
	put(POWER_RESET, 1, 1);
	assert_int_equal(resets, 1);
	assert_int_equal(offs, 0);
	put(POWER_RESET, 0x34, 1);
	assert_int_equal(offs + resets, 0);
}

static void wide_accesses_are_bytes_in_a_row(void **state _unused_)
{
	put(POWER_SLEEP_CONTROL - 2, 0x340000, 4);
	assert_int_equal(offs, 1);
	put(POWER_RESET, 1, 4);
	assert_int_equal(resets, 1);
	for (uint64_t port = LAYOUT_PORT_ACPI; port < LAYOUT_PORT_ACPI + POWER_LEN; port++) {
		uint8_t byte = 0;

		power_bus_ops.read(&power, port - LAYOUT_PORT_ACPI, &byte, 1);
		assert_int_equal(byte, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sleeping_in_s5_is_power_off),
		cmocka_unit_test(only_its_value_resets),
		cmocka_unit_test(wide_accesses_are_bytes_in_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
