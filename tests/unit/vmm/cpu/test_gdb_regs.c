// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/gdb_regs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* Numbers of a few, as the description has them. */
enum {
	RIP = 16,
	EFLAGS = 17,
	CS = 18,
	ST0 = 24,
	FTAG = 34,
	FISEG,
	FIOFF,
	XMM0 = 40,
	MXCSR = 56,
	FS_BASE = 57,
	CR3 = 62
};

static void assert_register(const struct gdb_regs *regs, int number, const char *text)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	assert_int_equal(gdb_regs_put(regs, (uint64_t)number, &out), 0);
	assert_string_equal(out.data, text);
}

static int set(struct gdb_regs *regs, int number, const char *text)
{
	struct gdb_text cursor = { text, text + strlen(text) };

	return gdb_regs_get(regs, (uint64_t)number, &cursor);
}

static void registers_have_the_numbers_that_the_description_gives_them(void **state _unused_)
{
	static const struct {
		int number;
		const char *text;
	} known[] = {
		{ RIP, "name=\"rip\" bitsize=\"64\" type=\"code_ptr\" regnum=\"16\"" },
		{ CS, "name=\"cs\" bitsize=\"32\" type=\"int32\" regnum=\"18\"" },
		{ ST0, "name=\"st0\" bitsize=\"80\" type=\"i387_ext\" regnum=\"24\"" },
		{ XMM0, "name=\"xmm0\" bitsize=\"128\" type=\"vec128\" regnum=\"40\"" },
		{ FS_BASE, "name=\"fs_base\" bitsize=\"64\" type=\"int64\" regnum=\"57\"" },
		{ CR3, "name=\"cr3\" bitsize=\"64\" type=\"int64\" regnum=\"62\"" },
	};
	_cleanup_buf_ struct buf xml = BUF_INIT;

	gdb_regs_describe(&xml);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		assert_non_null(strstr(xml.data, known[i].text));
}

static void registers_show_what_the_cpu_has(void **state _unused_)
{
	struct gdb_regs regs = {
		.regs = { .rip = 0xffffffff81000000, .rflags = 0x246 },
		.sregs = { .cs = { .selector = 0x10 }, .fs = { .base = 0x7f00 }, .cr3 = 0x1000 },
		.fpu = { .last_ip = 0x0000112233445566, .mxcsr = 0x1f80 },
	};

	regs.fpu.fpr[0][9] = 0x3f;
	regs.fpu.fpr[0][10] = 0xee; /* past its 80 bits */
	assert_register(&regs, RIP, "00000081ffffffff");
	assert_register(&regs, EFLAGS, "46020000");
	assert_register(&regs, CS, "10000000");
	assert_register(&regs, FS_BASE, "007f000000000000");
	assert_register(&regs, CR3, "0010000000000000");
	assert_register(&regs, MXCSR, "801f0000");
	assert_register(&regs, ST0, "0000000000000000003f");
	assert_register(&regs, FIOFF, "66554433");
	assert_register(&regs, FISEG, "22110000");
}

static void only_what_is_set_counts_as_changed(void **state _unused_)
{
	struct gdb_regs regs = { .regs = { .rip = 1 } };

	assert_int_equal(set(&regs, RIP, "0100000000000000"), 0);
	assert_int_equal(set(&regs, RIP, "0200000000000000"), GDB_REGS_GENERAL);
	assert_int_equal(regs.regs.rip, 2);
	assert_int_equal(set(&regs, FS_BASE, "0100000000000000"), GDB_REGS_SYSTEM);
	assert_int_equal(set(&regs, MXCSR, "801f0000"), GDB_REGS_FPU);
	assert_int_equal(set(&regs, CS, "08000000"), -EPERM);
	assert_int_equal(set(&regs, RIP, "02"), -EINVAL);
	assert_int_equal(set(&regs, RIP, "020000000000000x"), -EINVAL);
	assert_int_equal(set(&regs, (int)gdb_regs_count(), "0200000000000000"), -EINVAL);
}

static void all_registers_go_there_and_back(void **state _unused_)
{
	struct gdb_regs regs, copy = { 0 };
	_cleanup_buf_ struct buf first = BUF_INIT, second = BUF_INIT;
	struct gdb_text text;

	memset(&regs, 0x5a, sizeof(regs));
	gdb_regs_put_all(&regs, &first);
	text = (struct gdb_text){ first.data, first.data + first.len };
	copy.sregs = regs.sregs; /* with what can only be read */
	assert_int_equal(gdb_regs_get_all(&copy, &text),
			 GDB_REGS_GENERAL | GDB_REGS_FPU | GDB_REGS_MSR);
	gdb_regs_put_all(&copy, &second);
	assert_string_equal(first.data, second.data);
}

/* Two values pushed: a one in physical register 7, then a zero in 6, so that 6 is the top. */
static void floating_point_tags_are_of_physical_registers(void **state _unused_)
{
	struct gdb_regs regs = { .fpu = { .fsw = 6 << 11, .ftwx = 0xc0 } };

	memcpy(regs.fpu.fpr[1], "\0\0\0\0\0\0\0\x80\xff\x3f", 10);
	assert_register(&regs, FTAG, "ff1f0000"); /* 7: valid (0), 6: zero (1), others empty (3) */
	assert_int_equal(set(&regs, FTAG, "ff3f0000"), GDB_REGS_FPU);
	assert_int_equal(regs.fpu.ftwx, 0x80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_have_the_numbers_that_the_description_gives_them),
		cmocka_unit_test(registers_show_what_the_cpu_has),
		cmocka_unit_test(only_what_is_set_counts_as_changed),
		cmocka_unit_test(all_registers_go_there_and_back),
		cmocka_unit_test(floating_point_tags_are_of_physical_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
