// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/share.h"
#include "base/mem.h"
#include "base/strv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void a_path_of_the_host_is_told_from_a_volume(void **state _unused_)
{
	_cleanup_share_ struct share path = { 0 }, volume = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(share_parse("/srv/web:/web:ro,noexec", &path, &err), 0);
	assert_string_equal(path.source, "/srv/web");
	assert_string_equal(path.target, "/web");
	assert_false(path.is_volume);
	assert_true(strv_has(path.options, "ro") && strv_has(path.options, "noexec"));
	assert_int_equal(share_parse("db:/var/lib/db", &volume, &err), 0);
	assert_true(volume.is_volume);
	assert_null(volume.options);
}

static void words_that_are_ours_are_no_mount_options(void **state _unused_)
{
	_cleanup_share_ struct share share = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(share_parse("db:/d:nocopy,noidmap", &share, &err), 0);
	assert_true(share.nocopy && share.noidmap);
	assert_null(share.options);
}

static void files_are_where_they_are_said_to_be(void **state _unused_)
{
	_cleanup_share_ struct share path = { 0 }, volume = { 0 };
	_cleanup_free_ char *of_path = NULL, *of_volume = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(share_parse("/srv:/a", &path, &err), 0);
	assert_int_equal(share_parse("db:/a", &volume, &err), 0);
	of_path = share_path(&path, "/root");
	of_volume = share_path(&volume, "/root");
	assert_string_equal(of_path, "/srv");
	assert_string_equal(of_volume, "/root/volumes/db/data");
}

static void what_is_no_share_is_refused(void **state _unused_)
{
	static const char *const bad[] = {
		"",
		":",
		"db",
		"db:",
		":/x",
		"db:relative",
		"db:/",
		"db://",
		"db:/a/..",
		"../x:/y",
		"-db:/x",
		"/a:/b:fly",
		"/a:/b:ro:rw",
		"a b:/x",
		"/a:/b:ro,size=1",
		"/\xff:/b",
		"/a:/\xff",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_share_ struct share share = { 0 };
		struct err err = ERR_INIT;

		assert_true(share_parse(bad[i], &share, &err) < 0);
		assert_true(err_is_set(&err));
		assert_null(share.source);
	}
}

static void what_is_below_another_comes_after_it(void **state _unused_)
{
	static const char *const texts[] = { "a:/x/y/z", "b:/x//y/", "c:/w", "d:/x", NULL };
	static const char *const sources[] = { "c", "d", "b", "a" };
	static const char *const bad[] = { "a:/x", "/a:/b:fly", NULL };
	_cleanup_share_list_ struct share_list list = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(share_list_parse((char *const *)texts, &list, &err), 0);
	assert_int_equal(list.n, ARRAY_SIZE(sources));
	for (size_t i = 0; i < list.n; i++)
		assert_string_equal(list.items[i].source, sources[i]);
	share_list_release(&list);
	assert_int_equal(share_list_parse((char *const *)bad, &list, &err), -EINVAL);
	assert_non_null(strstr(err.msg, bad[1]));
	assert_int_equal(list.n, 0);
}

static void a_machine_is_not_told_of_later_mounts(void **state _unused_)
{
	static const char *const bad[] = { "/a:/b:shared", "/a:/b:ro,rslave" };
	_cleanup_share_ struct share good = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(share_parse("/a:/b:ro,bind,private,noexec", &good, &err), 0);
	assert_int_equal(share_check_vm(&good, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_share_ struct share share = { 0 };

		assert_int_equal(share_parse(bad[i], &share, &err), 0);
		assert_int_equal(share_check_vm(&share, &err), -EOPNOTSUPP);
		err = ERR_INIT;
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_of_the_host_is_told_from_a_volume),
		cmocka_unit_test(words_that_are_ours_are_no_mount_options),
		cmocka_unit_test(files_are_where_they_are_said_to_be),
		cmocka_unit_test(what_is_no_share_is_refused),
		cmocka_unit_test(what_is_below_another_comes_after_it),
		cmocka_unit_test(a_machine_is_not_told_of_later_mounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
