// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/short_name.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What is tried for a name, with spaces between, or the error's code as text. */
static void assert_tried(const char *conf, const char *name, const char *expected)
{
	_cleanup_short_names_ struct short_names names = { 0 };
	_cleanup_strv_ char **tried = NULL;
	_cleanup_free_ char *all = NULL;
	struct err err = ERR_INIT;

	short_name_parse(&names, conf);
	if (short_name_expand(&names, name, &tried, &err) < 0)
		all = mem_strdup("none");
	else
		all = strv_join(tried, " ");
	assert_string_equal(all, expected);
}

static void registries_are_tried_in_the_order_of_the_file(void **state _unused_)
{
	static const char conf[] = "# unqualified-search-registries = ['no']\n"
				   "unqualified-search-registries = [\n  \"a.example\", # first\n"
				   "  'b.example:5000'\n]\nshort-name-mode = \"enforcing\"\n"
				   "[[registry]]\nunqualified-search-registries = ['other']\n";

	assert_tried(conf, "web:1", "a.example/web:1 b.example:5000/web:1");
	assert_tried(conf, "team/web@sha256:00",
		     "a.example/team/web@sha256:00 b.example:5000/team/web@sha256:00");
	assert_tried(conf, "c.example/web", "c.example/web");
	assert_tried(conf, "localhost/web", "localhost/web");
}

static void an_alias_comes_first_and_the_last_of_them_holds(void **state _unused_)
{
	static const char conf[] = "unqualified-search-registries=['a.example']\n[aliases]\n"
				   "\"web\" = \"old.example/web\"\n  bare='b.example/x/bare'\r\n"
				   "\"web\" = \"new.example/w\\\\eb\"\n\"gone\" = \"\"\n[other]\n"
				   "\"no\" = \"other.example/no\"\n";

	assert_tried(conf, "web:2", "new.example/w\\eb:2");
	assert_tried(conf, "bare", "b.example/x/bare");
	assert_tried(conf, "gone", "a.example/gone");
	assert_tried(conf, "no", "a.example/no");
}

static void what_no_file_says_is_dockers(void **state _unused_)
{
	assert_tried("", "web", "web");
	assert_tried("[[registry]]\nlocation = \"a\"\nmirror = [\n{ location = \"b\" }\n]\n", "web",
		     "web");
	assert_tried("unqualified-search-registries = []\n", "web", "none");
	assert_tried("unqualified-search-registries = ['a", "web", "a/web");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registries_are_tried_in_the_order_of_the_file),
		cmocka_unit_test(an_alias_comes_first_and_the_last_of_them_holds),
		cmocka_unit_test(what_no_file_says_is_dockers),
	};

	return cmocka_run_group_tests_name("image/short_name", tests, NULL, NULL);
}
