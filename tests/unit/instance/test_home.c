// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/home.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of root the test can only say that it is not moved. */
static const char *expected(const char *of_root, const char *of_user)
{
	return geteuid() ? of_user : of_root;
}

static void the_environment_moves_a_users_folders_alone(void **state _unused_)
{
	_cleanup_free_ char *root = NULL, *run = NULL;
	struct err err = ERR_INIT;

	setenv("XDG_DATA_HOME", "/there/data", 1);
	setenv("XDG_RUNTIME_DIR", "/there/run", 1);
	assert_int_equal(home_find_root(NULL, &root, &err), 0);
	assert_int_equal(home_find_run(NULL, &run, &err), 0);
	assert_string_equal(root, expected(HOME_ROOT, "/there/data/brig"));
	assert_string_equal(run, expected(HOME_RUN, "/there/run/brig"));
}

static void a_path_that_is_not_whole_counts_as_none(void **state _unused_)
{
	_cleanup_free_ char *root = NULL;
	struct err err = ERR_INIT;

	setenv("XDG_DATA_HOME", "data", 1);
	setenv("HOME", "/there", 1);
	assert_int_equal(home_find_root(NULL, &root, &err), 0);
	assert_string_equal(root, expected(HOME_ROOT, "/there/.local/share/brig"));
}

static void what_is_said_is_taken(void **state _unused_)
{
	_cleanup_free_ char *root = NULL, *run = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(home_find_root("a", &root, &err), 0);
	assert_int_equal(home_find_run("b", &run, &err), 0);
	assert_string_equal(root, "a");
	assert_string_equal(run, "b");
}

static void a_folder_has_to_be_its_users_and_not_everybodys(void **state _unused_)
{
	char folder[] = "/tmp/brig-home-XXXXXX";
	struct err err = ERR_INIT;

	assert_non_null(mkdtemp(folder));
	assert_int_equal(home_check(folder, "--root", &err), 0);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(home_check(folder, "--root", &err), -EPERM);
	assert_int_equal(rmdir(folder), 0);
	err = ERR_INIT;
	assert_int_equal(home_check(folder, "--root", &err), 0);
	/* /proc/1 is root's; root has but others to look at */
	if (geteuid())
		assert_int_equal(home_check("/proc/1", "--root", &err), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_environment_moves_a_users_folders_alone),
		cmocka_unit_test(a_path_that_is_not_whole_counts_as_none),
		cmocka_unit_test(what_is_said_is_taken),
		cmocka_unit_test(a_folder_has_to_be_its_users_and_not_everybodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
