// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/mountinfo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void mounts_are_found_by_number(void **state _unused_)
{
	_cleanup_mountinfo_ struct mountinfo info = { 0 };

	mountinfo_parse("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n"
			"37 36 0:5 / /a\\040b\\134 rw - tmpfs  rw\n",
			&info);
	assert_int_equal(info.n, 2);
	assert_string_equal(mountinfo_place(&info, 36), "/mnt2");
	assert_string_equal(mountinfo_place(&info, 37), "/a b\\");
	assert_null(mountinfo_place(&info, 38));
}

static void lines_that_are_no_mounts_are_passed_over(void **state _unused_)
{
	_cleanup_mountinfo_ struct mountinfo info = { 0 };

	mountinfo_parse("\n36 35 98:0 /\nx 35 98:0 / /a\n-1 35 98:0 / /a\n7 3 9:0 / relative\n"
			"8 3 9:0 / /ends\\04",
			&info);
	assert_int_equal(info.n, 1);
	/* what is no escape is itself */
	assert_string_equal(info.mounts[0].place, "/ends\\04");
}

static void ones_own_mounts_can_be_read(void **state _unused_)
{
	_cleanup_mountinfo_ struct mountinfo info = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(mountinfo_read(0, &info, &err), 0);
	assert_true(info.n > 0);
	mountinfo_release(&info);
	assert_int_equal(mountinfo_read(INT32_MAX, &info, &err), -ENOENT);
}

static void a_path_is_below_a_folder_by_whole_names(void **state _unused_)
{
	assert_string_equal(mountinfo_below("/a/b", "/a"), "/b");
	assert_string_equal(mountinfo_below("/a/b", "/"), "/a/b");
	assert_null(mountinfo_below("/ab", "/a"));
	assert_null(mountinfo_below("/a", "/a"));
	assert_null(mountinfo_below("/", "/"));
	assert_null(mountinfo_below("/b/a", "/a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mounts_are_found_by_number),
		cmocka_unit_test(lines_that_are_no_mounts_are_passed_over),
		cmocka_unit_test(ones_own_mounts_can_be_read),
		cmocka_unit_test(a_path_is_below_a_folder_by_whole_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
