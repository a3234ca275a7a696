// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static int parse(const char *text, size_t len)
{
	_cleanup_json_ struct json *json = NULL;
	struct err err = ERR_INIT;
	int r = json_parse(text, len, "it", &json, &err);

	assert_int_equal(r < 0, err_is_set(&err));
	assert_int_equal(r < 0, json == NULL);
	return r;
}

static void values_come_back_as_they_were(void **state _unused_)
{
	static const char *const texts[] = {
		"7", "null", "\"\\u00e9\"", "[1,-2.5,true,[]]", "{\"a\":{\"b\":[{}]},\"c\":\"\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_json_ struct json *json = NULL, *again = NULL;
		_cleanup_free_ char *text = NULL, *text_again = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(json_parse(texts[i], strlen(texts[i]), "it", &json, &err), 0);
		text = json_text(json, 0);
		assert_int_equal(json_parse(text, strlen(text), "it", &again, &err), 0);
		text_again = json_text(again, 0);
		assert_string_equal(text, text_again);
	}
}

static void a_repeated_key_is_refused_however_it_is_written(void **state _unused_)
{
	static const char *const bad[] = { "{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}",
					   "[{\"b\":{\"a\":1,\"a\":2}}]" };
	const char *good = "[{\"a\":1},{\"a\":1}]";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], strlen(bad[i])), -EINVAL);
	assert_int_equal(parse(good, strlen(good)), 0);
}

static void broken_text_is_refused(void **state _unused_)
{
	static const char *const bad[] = { "",	    "{",	"[1",	      "nul",   "{\"a\"}",
					   "\"x",   "[1] x",	"1 2",	      "{a:1}", "'a'",
					   "[1,]",  "\"\xff\"", "[\"a",	      "\"\\",  "[01]",
					   "//\n1", "NaN",	"[-Infinity]" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], strlen(bad[i])), -EINVAL);
	assert_int_equal(parse("8\0008", 3), -EINVAL);
}

static void nesting_is_bounded(void **state _unused_)
{
	char text[4000];

	memset(text, '[', sizeof(text));
	assert_int_equal(parse(text, sizeof(text)), -EINVAL);
	memset(text, '[', 40);
	memset(text + 40, ']', 40);
	assert_int_equal(parse(text, 80), 0);
}

static void members_of_another_type_give_the_default(void **state _unused_)
{
	static const char text[] = "{\"s\":\"x\",\"n\":7,\"v\":[\"a\",\"b\"],\"z\":null}";
	_cleanup_json_ struct json *json = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(json_parse(text, strlen(text), "it", &json, &err), 0);
	assert_string_equal(json_get_string(json, "s", "d"), "x");
	assert_string_equal(json_get_string(json, "n", "d"), "d");
	assert_int_equal(json_get_int(json, "n", 1), 7);
	assert_int_equal(json_get_int(json, "s", 1), 1);
	assert_null(json_get(json, "z"));
	assert_null(json_get(json, "none"));
	assert_int_equal(json_array_len(json_get(json, "v")), 2);
	assert_int_equal(json_array_len(json_get(json, "s")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_back_as_they_were),
		cmocka_unit_test(a_repeated_key_is_refused_however_it_is_written),
		cmocka_unit_test(broken_text_is_refused),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(members_of_another_type_give_the_default),
	};

	return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
