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
	idmap_of_host(&map, 0);
	assert_int_equal(map.uids[0].count, 65536);
	assert_true(idmap_uid(&map, 0) > 0 && idmap_gid(&map, 0) > 0);
	assert_int_equal(idmap_uid(&map, 65535), idmap_uid(&map, 0) + 65535);
	assert_int_equal(idmap_uid(&map, 65536), IDMAP_NONE);
	idmap_release(&map);
	assert_int_equal(idmap_uid(&map, 7), 7);
}

static void assert_range(const struct idmap_range *range, uint32_t inside, uint32_t outside,
			 uint32_t count)
{
	assert_int_equal(range->inside, inside);
	assert_int_equal(range->outside, outside);
	assert_int_equal(range->count, count);
}

static void containers_inside_get_ids_that_are_nobodys(void **state)
{
	static const char *const whole = "         0          0 4294967295\n";
	struct idmap_range ranges[2];

	(void)state;
	assert_int_equal(idmap_choose("", whole, 0, ranges), 1);
	assert_range(&ranges[0], 0, IDMAP_BUILT_IN, IDMAP_COUNT);
	assert_int_equal(idmap_choose("", whole, 1, ranges), 2);
	assert_range(&ranges[1], IDMAP_COUNT, IDMAP_BUILT_IN + IDMAP_COUNT, IDMAP_MORE);
	/* a line that has enough is used up, one that has not is not overdrawn */
	assert_int_equal(idmap_choose("brig:200000:2000000\n", whole, 1, ranges), 2);
	assert_range(&ranges[0], 0, 200000, IDMAP_COUNT);
	assert_range(&ranges[1], IDMAP_COUNT, 200000 + IDMAP_COUNT, IDMAP_MORE);
	assert_int_equal(idmap_choose("root:100000:65536\n", whole, 1, ranges), 2);
	assert_range(&ranges[0], 0, 100000, IDMAP_COUNT);
	assert_range(&ranges[1], IDMAP_COUNT, IDMAP_BUILT_IN + IDMAP_COUNT, IDMAP_MORE);
}

static void in_a_container_ids_are_of_those_that_it_has(void **state)
{
	static const char *const nest = "0 1000000000 65536\n65536 1000065536 1048576\n";
	struct idmap_range ranges[2];

	(void)state;
	assert_int_equal(idmap_choose("", nest, 0, ranges), 1);
	assert_range(&ranges[0], 0, IDMAP_COUNT, IDMAP_COUNT);
	assert_int_equal(idmap_choose("", nest, 1, ranges), 2);
	assert_range(&ranges[1], IDMAP_COUNT, 2 * IDMAP_COUNT, 15 * IDMAP_COUNT);
	/* what the administrator says holds */
	assert_int_equal(idmap_choose("root:200000:65536\n", nest, 0, ranges), 1);
	assert_range(&ranges[0], 0, 200000, IDMAP_COUNT);
	/* where there is nothing to give, or no telling, there is no second range */
	assert_int_equal(idmap_choose("", "0 1000000000 65536\n", 1, ranges), 1);
	assert_int_equal(idmap_choose("", "", 1, ranges), 1);
	assert_int_equal(idmap_choose("", "0 0\nx y z\n-1 0 5\n", 1, ranges), 1);
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
		cmocka_unit_test(containers_inside_get_ids_that_are_nobodys),
		cmocka_unit_test(in_a_container_ids_are_of_those_that_it_has),
		cmocka_unit_test(a_namespace_has_all_of_its_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
