// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/gdb_break.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define MEMORY ((uint64_t)2 << 20)

static struct gdb_breaks breaks;
static struct ram *ram;

static int setup(void **state _unused_)
{
	struct ram_options options = { .size = MEMORY };
	struct err err = ERR_INIT;

	memset(&breaks, 0, sizeof(breaks));
	assert_int_equal(ram_new(&options, &ram, &err), 0);
	assert_int_equal(ram_write(ram, 0x1000, "abc", 3), 0);
	return 0;
}

static int teardown(void **state _unused_)
{
	ram = ram_free(ram);
	return 0;
}

static uint8_t at(uint64_t gpa)
{
	return *(const uint8_t *)ram_at(ram, gpa, 1);
}

static void one_place_may_have_two_addresses(void **state _unused_)
{
	assert_int_equal(gdb_break_add_soft(&breaks, ram, 0x1001, 0x1001), 0);
	assert_int_equal(gdb_break_add_soft(&breaks, ram, 0xff001001, 0x1001), 0);
	gdb_break_remove_soft(&breaks, ram, 0x1001);
	assert_int_equal(at(0x1001), GDB_BREAK_INT3);
	assert_true(gdb_break_has_soft(&breaks, 0x1001));
	gdb_break_remove_soft(&breaks, ram, 0xff001001);
	assert_int_equal(at(0x1001), 'b');
}

static void one_address_may_come_to_mean_another_place(void **state _unused_)
{
	assert_int_equal(gdb_break_add_soft(&breaks, ram, 0x400000, 0x1000), 0);
	assert_int_equal(gdb_break_add_soft(&breaks, ram, 0x400000, 0x1002), 0);
	assert_int_equal(at(0x1000), 'a');
	assert_int_equal(at(0x1002), GDB_BREAK_INT3);
	gdb_break_clear(&breaks, ram);
	assert_int_equal(at(0x1002), 'c');
}

static void what_the_guest_wrote_since_is_left_alone(void **state _unused_)
{
	uint8_t byte;

	assert_int_equal(gdb_break_add_soft(&breaks, ram, 0x1000, 0x1000), 0);
	assert_int_equal(ram_write(ram, 0x1000, "z", 1), 0);
	assert_int_equal(gdb_break_read(&breaks, ram, 0x1000, &byte, 1), 0);
	assert_int_equal(byte, 'z');
	gdb_break_remove_soft(&breaks, ram, 0x1000);
	assert_int_equal(at(0x1000), 'z');
}

static void there_is_an_end_to_breakpoints(void **state _unused_)
{
	for (uint64_t i = 0; i < GDB_BREAK_SOFT_MAX; i++)
		assert_int_equal(gdb_break_add_soft(&breaks, ram, i, i), 0);
	assert_int_equal(gdb_break_add_soft(&breaks, ram, 0x1000, 0x1000), -ENOSPC);
	assert_int_equal(at(0x1000), 'a');
	assert_int_equal(gdb_break_add_soft(&breaks, ram, MEMORY, MEMORY), -EFAULT);
	gdb_break_clear(&breaks, ram);
	for (uint64_t i = 0; i < GDB_BREAK_SOFT_MAX; i++)
		assert_int_equal(at(i), 0);
}

static void watched_memory_is_cut_to_what_registers_hold(void **state _unused_)
{
	assert_int_equal(gdb_break_add_hard(&breaks, GDB_BREAK_WRITE, 0x1001, 7), 0);
	assert_int_equal(breaks.n_slots, 3); /* 1 byte, 2, 4 */
	assert_int_equal(gdb_break_add_hard(&breaks, GDB_BREAK_WRITE, 0x2001, 2), -ENOSPC);
	assert_int_equal(breaks.n_slots, 3);
	assert_int_equal(gdb_break_add_hard(&breaks, GDB_BREAK_WRITE, 0, 1ULL << 63), -ENOSPC);
	assert_int_equal(gdb_break_add_hard(&breaks, GDB_BREAK_WRITE, 0x1000, 0), -EINVAL);
	assert_int_equal(gdb_break_add_hard(&breaks, GDB_BREAK_EXECUTE, 0x3001, 1), 0);
	assert_int_equal(gdb_break_hit(&breaks, 4)->gva, 0x1004);
	assert_int_equal(gdb_break_hit(&breaks, 8)->gva, 0x3001);
	assert_null(gdb_break_hit(&breaks, 0x4000));
	gdb_break_remove_hard(&breaks, GDB_BREAK_WRITE, 0x1001, 7);
	assert_int_equal(breaks.n_slots, 1);
	assert_null(gdb_break_hit(&breaks, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_place_may_have_two_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(one_address_may_come_to_mean_another_place, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_the_guest_wrote_since_is_left_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(there_is_an_end_to_breakpoints, setup, teardown),
		cmocka_unit_test_setup_teardown(watched_memory_is_cut_to_what_registers_hold, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
