// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/quota.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

/* What takes a file system with quotas is in tests/integration/test_disk_size.py; these have none anywhere. */
static const char *const names[] = { "fd", NULL };

static void where_there_are_no_quotas_it_says_what_to_do(void **state _unused_)
{
	_cleanup_close_ int dir = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT, bound = ERR_INIT;

	assert_true(dir >= 0);
	if (geteuid() != 0)
		skip();
	assert_int_equal(quota_check(dir, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "prjquota"));
	assert_int_equal(quota_bound(dir, names, 1 << 20, &bound), -EOPNOTSUPP);
	assert_string_equal(bound.msg, err.msg);
}

static void a_folder_without_a_bound_has_none_to_read_or_change(void **state _unused_)
{
	_cleanup_close_ int dir = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT;
	int64_t used = 0, limit = 0;

	assert_int_equal(quota_change(dir, "fd", 1 << 20, &err), -ENOENT);
	assert_false(err_is_set(&err));
	assert_int_equal(quota_read(dir, "fd", &used, &limit), -ENOENT);
	assert_int_equal(quota_read(dir, "no such folder", &used, &limit), -ENOENT);
	quota_release(dir, "fd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_there_are_no_quotas_it_says_what_to_do),
		cmocka_unit_test(a_folder_without_a_bound_has_none_to_read_or_change),
	};

	return cmocka_run_group_tests_name("sys/quota", tests, NULL, NULL);
}
