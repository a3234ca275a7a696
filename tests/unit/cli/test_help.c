// SPDX-License-Identifier: GPL-2.0-or-later
/* Help, man page and completion scripts tell of every verb and option that there is. */
#include "base/mem.h"
#include "base/verb_complete.h"
#include "base/verb_help.h"
#include "base/verb_manual.h"
#include "cli/verb.h"

#include "../base/stdout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void assert_has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("'%s' is missing", what);
}

static void help_lists_every_verb_with_its_summary(void **state _unused_)
{
	_cleanup_free_ char *text = NULL;

	stdout_begin();
	verb_help_show_all(&cli_program);
	text = stdout_end();
	verb_for_each(verb, &cli_program)
	{
		_cleanup_buf_ struct buf name = BUF_INIT;

		buf_add_str(&name, "\n  ");
		verb_put_name(&name, verb);
		buf_add_str(&name, "  ");
		assert_has(text, name.data);
		assert_has(text, verb->summary);
		assert_has(text, verb->group);
	}
	for (const struct option *o = cli_program.options; o->name; o++)
		assert_has(text, o->help);
}

static void help_of_a_verb_has_its_options_and_examples(void **state _unused_)
{
	verb_for_each(verb, &cli_program)
	{
		_cleanup_free_ char *text = NULL;
		char usage[128];

		stdout_begin();
		verb_help_show(&cli_program, verb);
		text = stdout_end();
		for (const struct option *o = verb_options(verb); o->name; o++)
			if (!o->hidden)
				assert_has(text, option_usage(o, usage, sizeof(usage)));
		for (const char *const *e = verb->examples; e && *e; e++)
			assert_has(text, *e);
	}
}

static void help_of_a_noun_lists_its_verb_and_no_others(void **state _unused_)
{
	_cleanup_free_ char *text = NULL;

	stdout_begin();
	verb_help_show_noun(&cli_program, "image");
	text = stdout_end();
	assert_has(text, "image import");
	assert_null(strstr(text, "kernel"));
}

static void the_manual_has_every_verb_and_option(void **state _unused_)
{
	_cleanup_buf_ struct buf manual = BUF_INIT;

	verb_manual_put(&manual, &cli_program);
	verb_for_each(verb, &cli_program)
	{
		_cleanup_buf_ struct buf heading = BUF_INIT;
		const char *section;

		buf_add_str(&heading, ".SS \"brig ");
		verb_put_name(&heading, verb);
		section = strstr(manual.data, heading.data);
		if (!section)
			fail_msg("%s is missing", heading.data);
		for (const struct option *o = verb_options(verb); o->name; o++) {
			_cleanup_buf_ struct buf name = BUF_INIT;

			buf_add_str(&name, "\\fB\\-\\-");
			for (const char *p = o->name; *p; p++)
				buf_printf(&name, "%s%c", *p == '-' ? "\\" : "", *p);
			assert_has(section, name.data);
		}
	}
}

static void roff_sees_no_request_in_our_words(void **state _unused_)
{
	_cleanup_strv_ char **requests =
		strv_split(".\\\" .TH .SH .SS .TP .PP .B .BR .RB .RI .I .IR", " ");
	_cleanup_buf_ struct buf manual = BUF_INIT;
	_cleanup_strv_ char **lines = NULL;

	verb_manual_put(&manual, &cli_program);
	lines = strv_split(manual.data, "\n");
	strv_for_each(line, lines) {
		_cleanup_free_ char *word = mem_strndup(*line, strcspn(*line, " "));

		if (**line == '\'' || (**line == '.' && !strv_has(requests, word)))
			fail_msg("%s", *line);
	}
}

/* Each verb and option with the marks that the shell's script has around it. */
static void assert_script(int shell, const char *verb_format, const char *option_format)
{
	_cleanup_buf_ struct buf script = BUF_INIT;

	verb_complete_put(&script, &cli_program, shell);
	verb_for_each(verb, &cli_program)
	{
		_cleanup_free_ char *name = mem_printf(verb_format, verb->name);

		assert_has(script.data, name);
		for (const struct option *o = verb_options(verb); o->name; o++) {
			_cleanup_free_ char *option = mem_printf(option_format, o->name);

			if (!o->hidden)
				assert_has(script.data, option);
			for (const char *const *c = o->choices; c && *c; c++)
				assert_has(script.data, *c);
		}
	}
}

static void completion_has_every_verb_option_and_choice(void **state _unused_)
{
	assert_script(0, "%s'", " --%s");
	assert_script(1, "\t(%s", "--%s");
	assert_script(2, " -a %s ", " -l %s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_lists_every_verb_with_its_summary),
		cmocka_unit_test(help_of_a_verb_has_its_options_and_examples),
		cmocka_unit_test(help_of_a_noun_lists_its_verb_and_no_others),
		cmocka_unit_test(the_manual_has_every_verb_and_option),
		cmocka_unit_test(roff_sees_no_request_in_our_words),
		cmocka_unit_test(completion_has_every_verb_option_and_choice),
	};

	return cmocka_run_group_tests_name("cli/help", tests, NULL, NULL);
}
