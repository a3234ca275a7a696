// SPDX-License-Identifier: GPL-2.0-or-later
/* The real tables: what holds for every verb, and how verbs are found. */
#include "cli/verb.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const struct verb *find(const char *line, int *words)
{
	_cleanup_strv_ char **argv = strv_split(line, " ");

	return verb_find(&cli_program, (int)strv_len(argv), argv, words);
}

static void verbs_are_found_by_name_alias_and_noun(void **state _unused_)
{
	int words = 0;

	assert_string_equal(find("ps -a", &words)->name, "ps");
	assert_int_equal(words, 1);
	assert_string_equal(find("list", &words)->name, "ps");
	assert_string_equal(find("unpause x", &words)->name, "resume");
	assert_string_equal(find("image ls -q", &words)->name, "ls");
	assert_int_equal(words, 2);
	assert_null(find("image", &words));
	assert_null(find("bootstrap", &words));
	assert_null(find("image ps", &words));
	assert_null(find("", &words));
}

static void assert_unknown(const char *line, const char *expected)
{
	_cleanup_strv_ char **argv = strv_split(line, " ");
	struct err err = ERR_INIT;

	assert_int_equal(verb_unknown(&cli_program, (int)strv_len(argv), argv, &err), -EINVAL);
	if (!strstr(err.msg, expected))
		fail_msg("%s gave: %s", line, err.msg);
}

static void what_is_no_verb_is_told_with_the_nearest(void **state _unused_)
{
	assert_unknown("strat x", "did you mean 'start'?");
	assert_unknown("imgae ls", "did you mean 'image'?");
	assert_unknown("image improt", "did you mean 'import'?");
	assert_unknown("xyzzy", "unknown command 'xyzzy'; see 'brig help'");
	assert_unknown("image", "needs a command; see 'brig help image'");
}

static void every_row_is_whole(void **state _unused_)
{
	verb_for_each(verb, &cli_program)
	{
		_cleanup_buf_ struct buf usage = BUF_INIT;

		verb_put_usage(&usage, &cli_program, verb);
		if (!verb->summary || !verb->group || !verb->run || !isupper(verb->summary[0]))
			fail_msg("%s lacks something", usage.data);
		if (verb->summary && verb->summary[strlen(verb->summary) - 1] == '.')
			fail_msg("%s: a full stop", usage.data);
		if (verb->max_args >= 0 && verb->min_args > verb->max_args)
			fail_msg("%s: its bounds cannot be met", usage.data);
	}
}

static void every_option_is_whole_and_its_letter_its_own(void **state _unused_)
{
	verb_for_each(verb, &cli_program)
	{
		int letters[128] = { 0 };

		for (const struct option *o = verb_options(verb); o->name; o++) {
			if (!o->help || !*o->help || o->help[strlen(o->help) - 1] == '.')
				fail_msg("%s --%s: its help", verb->name, o->name);
			if ((o->type == OPTION_FLAG) != !o->metavar)
				fail_msg("%s --%s: its value's name", verb->name, o->name);
			if ((o->type == OPTION_CHOICE) != (o->choices != NULL))
				fail_msg("%s --%s: its choices", verb->name, o->name);
			if (o->letter && letters[(unsigned char)o->letter & 127]++)
				fail_msg("%s -%c twice", verb->name, o->letter);
			if (o->offset >= verb->values_size)
				fail_msg("%s --%s: no place for its value", verb->name, o->name);
		}
	}
}

static void no_name_is_used_twice(void **state _unused_)
{
	verb_for_each(verb, &cli_program)
	{
		_cleanup_buf_ struct buf name = BUF_INIT;
		int words = 0;

		verb_put_name(&name, verb);
		assert_ptr_equal(find(name.data, &words), verb);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs_are_found_by_name_alias_and_noun),
		cmocka_unit_test(what_is_no_verb_is_told_with_the_nearest),
		cmocka_unit_test(every_row_is_whole),
		cmocka_unit_test(every_option_is_whole_and_its_letter_its_own),
		cmocka_unit_test(no_name_is_used_twice),
	};

	return cmocka_run_group_tests_name("cli/verbs", tests, NULL, NULL);
}
