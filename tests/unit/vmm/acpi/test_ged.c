// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/acpi/ged.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int line;
static unsigned int changes;

static void set_line(void *ctx, int level)
{
	assert_ptr_equal(ctx, &line);
	assert_int_not_equal(line, level);
	line = level;
	changes++;
}

static int setup(void **state)
{
	line = 0;
	changes = 0;
	*state = ged_new(set_line, &line);
	return 0;
}

static int teardown(void **state)
{
	ged_free(*state);
	return 0;
}

static uint32_t get(struct ged *ged, uint64_t offset, size_t len)
{
	uint32_t value = 0;

	ged_bus_ops.read(ged, offset, &value, len);
	return value;
}

static void a_press_waits_until_the_guest_reads_it(void **state)
{
	ged_raise(*state, GED_POWER_BUTTON);
	ged_raise(*state, GED_POWER_BUTTON);
	assert_int_equal(line, 1);
	assert_int_equal(get(*state, 0, 1), GED_POWER_BUTTON);
	assert_int_equal(line, 0);
	assert_int_equal(get(*state, 0, 1), 0);
	assert_int_equal(changes, 2);
	ged_raise(*state, GED_POWER_BUTTON);
	assert_int_equal(line, 1);
}

static void other_accesses_change_nothing(void **state)
{
	uint32_t value = UINT32_MAX;

	ged_raise(*state, GED_POWER_BUTTON);
	for (uint64_t offset = 0; offset < GED_LEN; offset++)
		ged_bus_ops.write(*state, offset, &value, 1);
	for (uint64_t offset = 1; offset < GED_LEN; offset++)
		assert_int_equal(get(*state, offset, 1), 0);
	assert_int_equal(line, 1);
	assert_int_equal(get(*state, 0, 4), GED_POWER_BUTTON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_press_waits_until_the_guest_reads_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(other_accesses_change_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
