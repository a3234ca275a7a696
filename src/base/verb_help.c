// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/verb_help.h"
#include "base/verb_complete.h"
#include "base/verb_manual.h"

#include <string.h>

/* Columns that a terminal surely has. */
#define VERB_HELP_WIDTH 79

static void verb_help_put_row(const char *left, size_t width, const char *right)
{
	printf("  %-*s  %s\n", (int)width, left, right);
}

static void verb_help_show_options(const struct option *options)
{
	char usage[128];
	size_t width = 0;

	for (const struct option *o = options; o->name; o++) {
		size_t len = strlen(option_usage(o, usage, sizeof(usage)));

		if (!o->hidden && len > width)
			width = len;
	}
	for (const struct option *o = options; o->name; o++) {
		if (!o->hidden)
			verb_help_put_row(option_usage(o, usage, sizeof(usage)), width, o->help);
	}
}

/* Width of the longest "noun name" of those that match the noun (NULL: all). */
static size_t verb_help_verb_width(const struct verb_program *program, const char *noun)
{
	size_t width = 0;

	verb_for_each(verb, program)
	{
		_cleanup_buf_ struct buf name = BUF_INIT;

		if (noun && (!verb->noun || strcmp(verb->noun, noun)))
			continue;
		verb_put_name(&name, verb);
		if (name.len > width)
			width = name.len;
	}
	return width;
}

static void verb_help_put_verb(const struct verb *verb, size_t width)
{
	_cleanup_buf_ struct buf name = BUF_INIT;

	verb_put_name(&name, verb);
	verb_help_put_row(name.data, width, verb->summary);
}

/* True if no earlier row is of the same group. */
static int verb_help_opens_group(const struct verb_program *program, const struct verb *verb)
{
	verb_for_each(row, program)
	{
		if (row == verb)
			break;
		if (!strcmp(row->group, verb->group))
			return 0;
	}
	return 1;
}

void verb_help_show_all(const struct verb_program *program)
{
	size_t width = verb_help_verb_width(program, NULL);

	printf("usage: %s [OPTION...] COMMAND [ARG...]\n", program->name);
	verb_for_each(first, program)
	{
		if (!verb_help_opens_group(program, first))
			continue;
		printf("\n%s:\n", first->group);
		verb_for_each(verb, program)
		{
			if (!strcmp(verb->group, first->group))
				verb_help_put_verb(verb, width);
		}
	}
	printf("\nOptions before the command:\n");
	verb_help_show_options(program->options);
	printf("\n'%s help COMMAND' or '%s COMMAND --help' explains one.\n", program->name,
	       program->name);
}

void verb_help_show_noun(const struct verb_program *program, const char *noun)
{
	size_t width = verb_help_verb_width(program, noun);

	printf("usage: %s %s COMMAND [ARG...]\n\n", program->name, noun);
	verb_for_each(verb, program)
	{
		if (verb->noun && !strcmp(verb->noun, noun))
			verb_help_put_verb(verb, width);
	}
	printf("\n'%s help %s COMMAND' explains one.\n", program->name, noun);
}

/* Paragraphs, filled to VERB_HELP_WIDTH. */
static void verb_help_show_text(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (column && column + 1 + len > VERB_HELP_WIDTH) {
			putchar('\n');
			column = 0;
		}
		if (len)
			column += (size_t)printf("%s%.*s", column ? " " : "", (int)len, text);
		text += len;
		if (!strncmp(text, "\n\n", 2)) {
			printf("\n\n");
			column = 0;
		}
		text += strspn(text, " \n");
	}
	putchar('\n');
}

void verb_help_show(const struct verb_program *program, const struct verb *verb)
{
	_cleanup_buf_ struct buf usage = BUF_INIT;

	verb_put_usage(&usage, program, verb);
	printf("usage: %s\n", usage.data);
	if (verb->alias)
		printf("also called: %s\n", verb->alias);
	putchar('\n');
	verb_help_show_text(verb->description ? verb->description : verb->summary);
	if (verb->options) {
		printf("\nOptions:\n");
		verb_help_show_options(verb->options);
	}
	if (verb->examples)
		printf("\nExamples:\n");
	for (const char *const *e = verb->examples; e && e[0] && e[1]; e += 2)
		printf("  %s\n      %s\n", e[0], e[1]);
}

const struct verb_help_values verb_help_defaults = { .completion = -1 };

static int verb_help_explain(const struct verb_program *program, int argc, char **args,
			     struct err *err)
{
	int words = 0;
	const struct verb *verb = verb_find(program, argc, args, &words);

	if (!verb)
		return verb_unknown(program, argc, args, err);
	if (words < argc)
		return err_set(err, -EINVAL, "'%s %s' has no command '%.64s'; see '%s help %s'",
			       program->name, verb->name, args[words], program->name, verb->name);
	verb_help_show(program, verb);
	return 0;
}

int verb_help_run(const struct verb_program *program, const void *values, char **args,
		  struct err *err)
{
	const struct verb_help_values *v = values;
	int argc = (int)strv_len(args);

	if (v->man + (v->completion >= 0) + (argc > 0) > 1)
		return err_set(err, -EINVAL, "--man and --completion stand alone");
	if (v->man)
		verb_manual_show(program);
	else if (v->completion >= 0)
		verb_complete_show(program, v->completion);
	else if (!argc)
		verb_help_show_all(program);
	else if (argc == 1 && verb_is_noun(program, args[0]))
		verb_help_show_noun(program, args[0]);
	else
		return verb_help_explain(program, argc, args, err);
	return 0;
}

const struct option verb_help_options[] = {
	{ "man", 0, OPTION_FLAG, NULL, "print the manual page",
	  offsetof(struct verb_help_values, man) },
	{ "completion", 0, OPTION_CHOICE, "SHELL",
	  "print the completion script for bash, zsh or fish",
	  offsetof(struct verb_help_values, completion), .choices = verb_complete_shells },
	OPTION_END,
};
