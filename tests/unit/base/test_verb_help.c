// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/verb_help.h"

#include "program.h"
#include "stdout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void assert_has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("'%s' is missing in: %s", what, text);
}

static char *help(const char *line, int man, int completion)
{
	struct verb_help_values values = { .man = man, .completion = completion };
	_cleanup_strv_ char **args = strv_split(line, " ");
	char *none[] = { NULL };
	struct err err = ERR_INIT;

	stdout_begin();
	assert_int_equal(verb_help_run(&program, &values, args ? args : none, &err), 0);
	return stdout_end();
}

static void all_verbs_stand_in_their_groups(void **state _unused_)
{
	_cleanup_free_ char *text = help("", 0, -1);

	assert_has(text, "usage: tool-x [OPTION...] COMMAND [ARG...]\n\nThings:\n  make      Make "
			 "a thing\n");
	assert_has(text, "\nBoxes:\n  box ls    List boxes\n");
	assert_has(text, "--where DIR");
	assert_has(text, "'tool-x help COMMAND'");
}

static void one_verb_is_explained_with_options_and_examples(void **state _unused_)
{
	_cleanup_free_ char *text = help("make", 0, -1), *box = help("box send", 0, -1);

	assert_has(text, "usage: tool-x make [OPTION...] FILE [FILE]\nalso called: create "
			 "new\n\nIt is made.\n\n.Twice\n");
	assert_has(text, "-f, --force");
	assert_has(text, "\nExamples:\n  tool-x make -f a\n      make a\n");
	assert_has(box, "usage: tool-x box send WHAT\n\nSend a box\n");
}

static void a_noun_lists_its_verbs_and_no_others(void **state _unused_)
{
	_cleanup_free_ char *text = help("box", 0, -1);

	assert_has(text, "box ls");
	assert_null(strstr(text, "make"));
}

static void manual_and_scripts_are_printed_on_demand(void **state _unused_)
{
	_cleanup_free_ char *man = help("", 1, -1), *script = help("", 0, 0);

	assert_has(man, ".TH TOOL\\-X 8 ");
	assert_has(script, "complete -F _tool_x tool-x\n");
}

static void what_is_not_there_is_told(void **state _unused_)
{
	struct verb_help_values values = { .man = 1, .completion = -1 },
				plain = { .completion = -1 };
	char word[] = "maek", make[] = "make", more[] = "more";
	char *one[] = { word, NULL }, *two[] = { make, more, NULL };
	struct err err = ERR_INIT;

	assert_int_equal(verb_help_run(&program, &plain, one, &err), -EINVAL);
	assert_has(err.msg, "did you mean 'make'?");
	assert_int_equal(verb_help_run(&program, &plain, two, &err), -EINVAL);
	assert_has(err.msg, "'tool-x make' has no command 'more'; see 'tool-x help make'");
	assert_int_equal(verb_help_run(&program, &values, one, &err), -EINVAL);
	assert_has(err.msg, "stand alone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_verbs_stand_in_their_groups),
		cmocka_unit_test(one_verb_is_explained_with_options_and_examples),
		cmocka_unit_test(a_noun_lists_its_verbs_and_no_others),
		cmocka_unit_test(manual_and_scripts_are_printed_on_demand),
		cmocka_unit_test(what_is_not_there_is_told),
	};

	return cmocka_run_group_tests_name("base/verb_help", tests, NULL, NULL);
}
