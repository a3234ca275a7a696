// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/strv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void a_vector_grows_from_nothing(void **state _unused_)
{
	_cleanup_strv_ char **v = NULL;

	assert_int_equal(strv_len(v), 0);
	strv_add(&v, "a");
	strv_add_printf(&v, "%s-%d", "b", 2);
	strv_add_take(&v, strdup("c"));
	assert_int_equal(strv_len(v), 3);
	assert_string_equal(v[1], "b-2");
	assert_null(v[3]);
	assert_true(strv_has(v, "c"));
	assert_false(strv_has(v, "b"));
	assert_false(strv_has(NULL, "b"));
}

static void splitting_leaves_empty_pieces_out(void **state _unused_)
{
	_cleanup_strv_ char **v = strv_split(",a,,b;c,", ",;"), **none = strv_split(",,", ",");
	_cleanup_free_ char *joined = strv_join(v, "+"), *nothing = strv_join(none, "+");

	assert_string_equal(joined, "a+b+c");
	assert_string_equal(nothing, "");
	assert_null(none);
}

static void a_copy_is_independent(void **state _unused_)
{
	_cleanup_strv_ char **v = strv_split("a b", " "), **copy = strv_dup(v);

	v[0][0] = 'x';
	assert_string_equal(copy[0], "a");
	assert_null(strv_dup(NULL));
	assert_null(strv_free(NULL));
}

static void an_environment_is_read_and_changed_by_key(void **state _unused_)
{
	_cleanup_strv_ char **env = NULL;

	strv_env_set(&env, "PATH=/bin");
	strv_env_set(&env, "PA=1");
	strv_env_set(&env, "PATH=/usr/bin");
	strv_env_set(&env, "EMPTY=");
	strv_env_set(&env, "EQ=a=b");
	assert_int_equal(strv_len(env), 4);
	assert_string_equal(strv_env_get(env, "PATH"), "/usr/bin");
	assert_string_equal(strv_env_get(env, "PA"), "1");
	assert_string_equal(strv_env_get(env, "EMPTY"), "");
	assert_string_equal(strv_env_get(env, "EQ"), "a=b");
	assert_null(strv_env_get(env, "P"));
	assert_null(strv_env_get(env, "PATHS"));
	assert_null(strv_env_get(NULL, "P"));
}

static void a_key_without_a_value_is_not_one_with_an_empty_value(void **state _unused_)
{
	_cleanup_strv_ char **env = NULL;

	strv_env_set(&env, "KEY");
	assert_null(strv_env_get(env, "KEY"));
	strv_env_set(&env, "KEY=v");
	assert_int_equal(strv_len(env), 1);
	assert_string_equal(strv_env_get(env, "KEY"), "v");
}

static void sorting_goes_by_bytes(void **state _unused_)
{
	_cleanup_strv_ char **v = strv_split("b a B aa", " "), **none = NULL;
	_cleanup_free_ char *sorted = NULL;

	strv_sort(v);
	strv_sort(none);
	sorted = strv_join(v, " ");
	assert_string_equal(sorted, "B a aa b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vector_grows_from_nothing),
		cmocka_unit_test(splitting_leaves_empty_pieces_out),
		cmocka_unit_test(sorting_goes_by_bytes),
		cmocka_unit_test(a_copy_is_independent),
		cmocka_unit_test(an_environment_is_read_and_changed_by_key),
		cmocka_unit_test(a_key_without_a_value_is_not_one_with_an_empty_value),
	};

	return cmocka_run_group_tests_name("base/strv", tests, NULL, NULL);
}
