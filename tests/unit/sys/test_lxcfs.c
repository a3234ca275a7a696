// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/lxcfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define LXCFS "90 22 0:50 / /var/lib/lxcfs rw,nosuid - fuse.lxcfs lxcfs rw,user_id=0\n"
#define OTHER "91 90 0:51 / /var/lib/lxcfs rw shared:5 - tmpfs fuse.lxcfs rw\n"

static void it_is_told_from_what_else_may_be_there(void **state)
{
	(void)state;
	assert_true(lxcfs_is_mounted(LXCFS));
	assert_true(lxcfs_is_mounted("22 1 8:1 / / rw - ext4 /dev/sda rw\n" LXCFS));
	assert_false(lxcfs_is_mounted(OTHER));
	assert_false(lxcfs_is_mounted(""));
	assert_false(lxcfs_is_mounted("90 22 0:50 / /var/lib/lxcfs/x rw - fuse.lxcfs lxcfs rw\n"));
	assert_false(lxcfs_is_mounted("90 22 0:50 /var/lib/lxcfs /mnt rw - fuse.lxcfs lxcfs rw\n"));
	assert_false(lxcfs_is_mounted("90 22 0:50 / /var/lib/lxcfs rw -"));
	assert_false(lxcfs_is_mounted("90 22 0:50 / /var/lib/lxcfs "));
	assert_false(lxcfs_is_mounted(" /var/lib/lxcfs "));
}

static void what_covers_it_counts(void **state)
{
	(void)state;
	assert_false(lxcfs_is_mounted(LXCFS OTHER));
	assert_true(lxcfs_is_mounted(OTHER LXCFS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_told_from_what_else_may_be_there),
		cmocka_unit_test(what_covers_it_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
