// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/yaml_walk.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static int add(void *ctx, const char *path, const char *value, struct err *err)
{
	(void)err;
	buf_printf(ctx, "%s=%s;", path, value);
	return 0;
}

static void assert_read(const char *text, const char *expected)
{
	_cleanup_buf_ struct buf found = BUF_INIT;
	struct err err = ERR_INIT;

	buf_add_str(&found, "");
	if (yaml_walk(text, strlen(text), add, &found, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(found.data, expected);
}

static void assert_refused(const char *text)
{
	_cleanup_buf_ struct buf found = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(yaml_walk(text, strlen(text), add, &found, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "of its settings"));
}

static void mappings_and_lists_are_read_by_their_indentation(void **state)
{
	(void)state;
	assert_read("a: 1\nb:\n  c: 2\n  d.e: x y\nf: 3\n", "a=1;b\tc=2;b\td.e=x y;f=3;");
	assert_read("a:\n- 1\n- 2\nb: 3\n", "a\t-=1;a\t-=2;b=3;");
	assert_read("a:\n  - b: 1\n    c: 2\n  - b: 3\nd: 4\n",
		    "a\t-\tb=1;a\t-\tc=2;a\t-\tb=3;d=4;");
	assert_read("a:\n- - 1\n  - 2\n", "a\t-\t-=1;a\t-\t-=2;");
	assert_read("a: {b: c}\nd: [1, {e: f}]\n", "a\tb=c;d\t-=1;d\t-\te=f;");
	assert_read("---\n# note\n\na: {}\nb: []\nc: d # e\r\n", "c=d;");
}

static void scalars_are_what_they_say(void **state)
{
	(void)state;
	assert_read("a: 'it''s: #1'\n", "a=it's: #1;");
	assert_read("a: \"x\\n\\u00e9\\x41\\\"\"\n", "a=x\n\xc3\xa9"
						     "A\";");
	assert_read("\"a:b\": c\n'd': e\n", "a:b=c;d=e;");
	assert_read("a: |\n  x\n    y\n\n  z\nb: 1\n", "a=x\n  y\n\nz\n;b=1;");
	assert_read("a: \"one\n  two\"\nb: 1\n", "a=one two;b=1;");
	assert_read("a: http://x:1/\n", "a=http://x:1/;");
}

static void what_is_not_known_is_refused(void **state)
{
	(void)state;
	assert_refused("a: &x 1\n");
	assert_refused("a: *x\n");
	assert_refused("a: !!int 1\n");
	assert_refused("a: &x {b: 1}\n");
	assert_refused("? [a]\n: b\n");
	assert_refused("\"a\\tb\": c\n");
	assert_refused("a: \"x\\0y\"\n");
	assert_refused("a: \"x\n");
	assert_refused("a: \"\\q\"\n");
	assert_refused("\ta: 1\n");
	assert_refused("a: 1\n---\nb: 2\n");
	assert_refused("- - - - - - - - - - - - - - - - - - - x\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_and_lists_are_read_by_their_indentation),
		cmocka_unit_test(scalars_are_what_they_say),
		cmocka_unit_test(what_is_not_known_is_refused),
	};

	return cmocka_run_group_tests_name("image/yaml_walk", tests, NULL, NULL);
}
