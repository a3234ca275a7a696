// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/idmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

static void the_line_of_a_user_is_found(void **state)
{
	uint32_t first = 0;

	(void)state;
	assert_int_equal(idmap_find("a:100000:65536\nbrig:500000:65536\n", "brig", 65536, &first),
			 0);
	assert_int_equal(first, 500000);
	assert_int_equal(idmap_find("brig:1:10\nbrig:200000:70000", "brig", 65536, &first), 0);
	assert_int_equal(first, 200000);
}

static void lines_that_give_no_whole_range_are_passed_over(void **state)
{
	static const char *const bad[] = {
		"",
		"brig",
		"brig:",
		"brig:1",
		"brig:100000:65535", /* too few */
		"brig:0:65536",	     /* would be the host's root */
		"brig:-5:65536",
		"brig:100000:65536x",
		"brig:4294967295:65536", /* would go round */
		"brig:4294960000:70000",
		"bri:100000:65536",
		"brigg:100000:65536",
		" brig:100000:65536",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t first = 7;

		assert_true(idmap_find(bad[i], "brig", 65536, &first) < 0);
		assert_int_equal(first, 7);
	}
}

static void a_host_always_has_a_range_that_is_not_its_own(void **state)
{
	struct idmap map = { 0 };

	(void)state;
	idmap_of_host(&map);
	assert_int_equal(map.uids[0].count, 65536);
	assert_true(idmap_uid(&map, 0) > 0 && idmap_gid(&map, 0) > 0);
	assert_int_equal(idmap_uid(&map, 65535), idmap_uid(&map, 0) + 65535);
	assert_int_equal(idmap_uid(&map, 65536), IDMAP_NONE);
	idmap_release(&map);
	assert_int_equal(idmap_uid(&map, 7), 7);
}

static void a_namespace_has_all_of_its_ranges(void **state)
{
	struct idmap_range uids[] = { { 0, 5000, 10 }, { 10, 100, 1 }, { 1000, 200000, 65536 } };
	struct idmap_range gids[] = { { 0, 6000, 70000 } };
	struct idmap map = { .uids = uids, .n_uids = 3, .gids = gids, .n_gids = 1 };
	_cleanup_close_ int userns = -EBADF;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(idmap_uid(&map, 10), 100);
	assert_int_equal(idmap_uid(&map, 11), IDMAP_NONE);
	assert_int_equal(idmap_uid(&map, 1001), 200001);
	assert_int_equal(idmap_gid(&map, 1001), 7001);
	if (geteuid())
		skip();
	userns = idmap_make_userns(&map, &err);
	if (userns == -EPERM || userns == -ENOSPC) /* in a sandbox */
		skip();
	assert_true(userns >= 0);
	/* what overlaps, the kernel refuses, and nothing is left of the attempt */
	uids[1].inside = 5;
	assert_true(idmap_make_userns(&map, &err) < 0);
	assert_non_null(strstr(err.msg, "uid_map"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_of_a_user_is_found),
		cmocka_unit_test(lines_that_give_no_whole_range_are_passed_over),
		cmocka_unit_test(a_host_always_has_a_range_that_is_not_its_own),
		cmocka_unit_test(a_namespace_has_all_of_its_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
