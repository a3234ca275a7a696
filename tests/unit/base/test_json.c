// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/json.h"
#include "base/buf.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct json *parsed(const char *text)
{
	struct err err = ERR_INIT;
	struct json *json = NULL;

	if (json_parse(text, strlen(text), "text", &json, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return json;
}

static void assert_refused(const char *text, size_t len)
{
	struct err err = ERR_INIT;
	struct json *json = NULL;

	if (json_parse(text, len, "text", &json, &err) == 0)
		fail_msg("accepted: %s", text);
	assert_true(err.code < 0);
	assert_non_null(strstr(err.msg, "text is not valid JSON"));
	assert_null(json);
}

static void members_are_read_by_key_and_type(void **state _unused_)
{
	_cleanup_json_ struct json *json = parsed(
		"{\"s\":\"x\",\"i\":-7,\"b\":true,\"d\":1.5,\"n\":null,\"v\":[\"a\",\"b\"]}");
	_cleanup_strv_ char **v = json_get_strv(json, "v");

	assert_int_equal(json_kind(json), JSON_OBJECT);
	assert_string_equal(json_get_string(json, "s", ""), "x");
	assert_int_equal(json_get_int(json, "i", 0), -7);
	assert_int_equal(json_get_bool(json, "b", 0), 1);
	assert_true(json_double(json_get(json, "d")) > 1.4);
	assert_null(json_get(json, "n"));
	assert_int_equal(strv_len(v), 2);
	assert_string_equal(v[1], "b");
}

static void a_wrong_type_counts_as_absent(void **state _unused_)
{
	_cleanup_json_ struct json *json = parsed("{\"s\":1,\"i\":\"1\",\"b\":\"true\",\"v\":[1]}");
	_cleanup_strv_ char **v = json_get_strv(json, "v");

	assert_string_equal(json_get_string(json, "s", "none"), "none");
	assert_int_equal(json_get_int(json, "i", 42), 42);
	assert_int_equal(json_get_bool(json, "b", 1), 1);
	assert_null(v);
	assert_null(json_string(json));
	assert_int_equal(json_array_len(json), 0);
	assert_null(json_array_at(json, 0));
	assert_null(json_get(json_get(json, "s"), "deeper"));
}

static void a_path_of_keys_is_followed(void **state _unused_)
{
	_cleanup_json_ struct json *json = parsed("{\"a\":{\"b\":{\"c\":\"deep\"}}}");

	assert_string_equal(json_string(json_get_path(json, "a", "b", "c", NULL)), "deep");
	assert_null(json_get_path(json, "a", "x", "c", NULL));
}

static void text_that_is_no_json_is_refused(void **state _unused_)
{
	static const char *const bad[] = {
		"",
		"  ",
		"{",
		"[1,]",
		"{\"a\":1,}",
		"{a:1}",
		"{'a':1}",
		"[NaN]",
		"[-Infinity]",
		"Infinity",
		"[01]",
		"/*c*/[1]",
		"[1]//x",
		"[nul]",
		"[True]",
		"[\"\\x\"]",
		"[\"\xff\"]",
		"[1 2]",
		"{\"a\" 1}",
		"\xef\xbb\xbf[1]",
		"[\"a\tb\"]",
		"\"open",
		"[\"\\\"]",
		"{\"a\":1,,\"b\":2}",
		"[1]]",
		"{}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_refused(bad[i], strlen(bad[i]));
}

static void bytes_after_the_value_are_refused(void **state _unused_)
{
	assert_refused("[1] x", 5);
	assert_refused("[1] [2]", 7);
	assert_refused("[1]\0", 4);
	assert_refused("{}\0{}", 5);
}

static void space_around_the_value_is_fine(void **state _unused_)
{
	_cleanup_json_ struct json *json = parsed(" \r\n\t[ 1 , 2 ] \n");

	assert_int_equal(json_array_len(json), 2);
}

static void a_value_alone_is_json_too(void **state _unused_)
{
	_cleanup_json_ struct json *number = parsed("123"), *string = parsed("\"x\"");

	assert_int_equal(json_int(number), 123);
	assert_string_equal(json_string(string), "x");
}

static void a_repeated_key_is_refused(void **state _unused_)
{
	static const char *const bad[] = {
		"{\"a\":1,\"a\":2}",
		"{\"a\":1,\"\\u0061\":2}",
		"[{\"x\":{\"k\":[],\"k\":[]}}]",
		"{\"a\":{\"b\":1},\"a\":{\"c\":1}}",
		"{\"\":1,\"\":2}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_refused(bad[i], strlen(bad[i]));
}

static void equal_keys_in_different_objects_are_fine(void **state _unused_)
{
	_cleanup_json_ struct json *json =
		parsed("[{\"a\":{\"a\":\":a:\"}},{\"a\":\"{\\\"a\\\":1}\"}]");

	assert_int_equal(json_array_len(json), 2);
}

/* C strings end at a NUL: what follows it would be seen by one reader and not by another. */
static void a_nul_inside_a_string_is_refused(void **state _unused_)
{
	assert_refused("[\"a\\u0000b\"]", 12);
	assert_refused("{\"a\\u0000b\":1}", 14);
	assert_refused("[\"a\0b\"]", 7);
}

static void an_escaped_backslash_before_u0000_is_no_nul(void **state _unused_)
{
	_cleanup_json_ struct json *json = parsed("[\"\\\\u0000\"]");

	assert_string_equal(json_string(json_array_at(json, 0)), "\\u0000");
}

static char *nested(size_t depth)
{
	char *text = mem_zalloc(2 * depth + 1);

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	return text;
}

static void nesting_is_bounded(void **state _unused_)
{
	_cleanup_free_ char *fine = nested(60), *deep = nested(65), *huge = nested(100000);
	_cleanup_json_ struct json *json = parsed(fine);

	assert_non_null(json);
	assert_refused(deep, strlen(deep));
	assert_refused(huge, strlen(huge));
}

static void large_whole_numbers_stay_exact(void **state _unused_)
{
	_cleanup_json_ struct json *json =
		parsed("{\"i\":9223372036854775807,\"n\":-9223372036854775808}");

	assert_true(json_get_int(json, "i", 0) == INT64_MAX);
	assert_true(json_get_int(json, "n", 0) == INT64_MIN);
}

static void what_is_written_is_read_back(void **state _unused_)
{
	_cleanup_json_ struct json *json = json_new_object(), *again = NULL;
	_cleanup_free_ char *text = NULL;
	char *v[] = { (char *)"/a/b", (char *)"\"\\\n", NULL };

	json_object_add(json, "v", json_new_strv(v));
	json_object_add(json, "none", json_new_string(NULL));
	json_object_add(json, "yes", json_new_bool(1));
	text = json_text(json, 0);
	assert_string_equal(text, "{\"v\":[\"/a/b\",\"\\\"\\\\\\n\"],\"none\":null,\"yes\":true}");
	again = parsed(text);
	assert_string_equal(json_string(json_array_at(json_get(again, "v"), 1)), "\"\\\n");
}

/* An argument or a guest's message may hold any bytes; the files we write stay valid JSON. */
static void bytes_that_are_no_utf8_are_replaced_when_written(void **state _unused_)
{
	_cleanup_json_ struct json *json = json_new_array();
	_cleanup_json_ struct json *again = NULL;
	_cleanup_free_ char *text = NULL;

	json_array_add(json, json_new_string("caf\xe9 \xf0\x9f\x9a\xa2 \xc0\xaf \xed\xa0\x80"));
	text = json_text(json, 0);
	again = parsed(text);
	assert_string_equal(json_string(json_array_at(again, 0)),
			    "caf\xef\xbf\xbd \xf0\x9f\x9a\xa2 \xef\xbf\xbd\xef\xbf\xbd "
			    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static int count_members(const char *key, struct json *value, void *ctx)
{
	struct buf *seen = ctx;

	buf_printf(seen, "%s=%lld ", key, (long long)json_int(value));
	return json_int(value) == 2;
}

static void members_are_visited_in_order_until_stopped(void **state _unused_)
{
	_cleanup_json_ struct json *json = parsed("{\"z\":1,\"y\":2,\"x\":3}");
	_cleanup_buf_ struct buf seen = BUF_INIT;

	assert_int_equal(json_object_each(json, count_members, &seen), 1);
	assert_string_equal(seen.data, "z=1 y=2 ");
	assert_int_equal(json_object_remove(json, "z"), 0);
	assert_int_equal(json_object_remove(json, "z"), -ENOENT);
	assert_null(json_get(json, "z"));
}

static void a_file_larger_than_allowed_is_refused(void **state _unused_)
{
	char path[] = "/tmp/brig-test-json-XXXXXX";
	struct err err = ERR_INIT;
	_cleanup_json_ struct json *json = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[1,2,3]", 7), 7);
	close(fd);
	assert_int_equal(json_read_file(AT_FDCWD, path, 6, &json, &err), -EFBIG);
	assert_non_null(strstr(err.msg, path));
	assert_int_equal(json_read_file(AT_FDCWD, path, 7, &json, &err), 0);
	unlink(path);
	assert_int_equal(json_read_file(AT_FDCWD, path, 7, &json, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_read_by_key_and_type),
		cmocka_unit_test(a_wrong_type_counts_as_absent),
		cmocka_unit_test(a_path_of_keys_is_followed),
		cmocka_unit_test(text_that_is_no_json_is_refused),
		cmocka_unit_test(bytes_after_the_value_are_refused),
		cmocka_unit_test(space_around_the_value_is_fine),
		cmocka_unit_test(a_value_alone_is_json_too),
		cmocka_unit_test(a_repeated_key_is_refused),
		cmocka_unit_test(equal_keys_in_different_objects_are_fine),
		cmocka_unit_test(a_nul_inside_a_string_is_refused),
		cmocka_unit_test(an_escaped_backslash_before_u0000_is_no_nul),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(large_whole_numbers_stay_exact),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(bytes_that_are_no_utf8_are_replaced_when_written),
		cmocka_unit_test(members_are_visited_in_order_until_stopped),
		cmocka_unit_test(a_file_larger_than_allowed_is_refused),
	};

	return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
