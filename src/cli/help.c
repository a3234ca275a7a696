// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/help.h"
#include "cli/cli.h"
#include "cli/completion.h"
#include "cli/manual.h"
#include "cli/verbs.h"

#include <string.h>

/* Columns that a terminal surely has. */
#define HELP_WIDTH 79

static const char help_short[] =
	"brig runs Linux containers and virtual machines from the same images with the same "
	"commands.\n"
	"\n"
	"Where to begin:\n"
	"  brig doctor                               what this machine can do, and what it lacks\n"
	"  brig image bootstrap debian:bookworm      make an image from this machine's apt "
	"sources\n"
	"  brig run -it debian:bookworm bash         a container of it, on this terminal\n"
	"  brig kernel add debian                    a kernel for virtual machines\n"
	"  brig run -it --vm debian:bookworm bash    the same image as a virtual machine\n"
	"  brig ps -a                                every instance there is\n"
	"\n"
	"'brig help' lists all commands, 'brig help run' explains one.\n";

void help_show_short(FILE *out)
{
	fputs(help_short, out);
}

void help_show_version(void)
{
	printf("brig %s\n", BRIG_VERSION);
}

static void help_put_row(const char *left, size_t width, const char *right)
{
	printf("  %-*s  %s\n", (int)width, left, right);
}

static void help_show_options(const struct option *options)
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
			help_put_row(option_usage(o, usage, sizeof(usage)), width, o->help);
	}
}

/* Width of the longest "noun name" of those that match the noun (NULL: all). */
static size_t help_verbs_width(const char *noun)
{
	size_t width = 0;

	verbs_for_each(verb) {
		_cleanup_buf_ struct buf name = BUF_INIT;

		if (noun && (!verb->noun || strcmp(verb->noun, noun)))
			continue;
		verbs_put_name(&name, verb);
		if (name.len > width)
			width = name.len;
	}
	return width;
}

static void help_put_verb(const struct verb *verb, size_t width)
{
	_cleanup_buf_ struct buf name = BUF_INIT;

	verbs_put_name(&name, verb);
	help_put_row(name.data, width, verb->summary);
}

/* True if no earlier row is of the same group. */
static int help_opens_group(const struct verb *verb)
{
	verbs_for_each(row) {
		if (row == verb)
			break;
		if (!strcmp(row->group, verb->group))
			return 0;
	}
	return 1;
}

void help_show_all(void)
{
	size_t width = help_verbs_width(NULL);

	printf("usage: brig [OPTION...] COMMAND [ARG...]\n");
	verbs_for_each(first) {
		if (!help_opens_group(first))
			continue;
		printf("\n%s:\n", first->group);
		verbs_for_each(verb) {
			if (!strcmp(verb->group, first->group))
				help_put_verb(verb, width);
		}
	}
	printf("\nOptions before the command:\n");
	help_show_options(cli_options);
	printf("\n'brig help COMMAND' or 'brig COMMAND --help' explains one.\n");
}

void help_show_noun(const char *noun)
{
	size_t width = help_verbs_width(noun);

	printf("usage: brig %s COMMAND [ARG...]\n\n", noun);
	verbs_for_each(verb) {
		if (verb->noun && !strcmp(verb->noun, noun))
			help_put_verb(verb, width);
	}
	printf("\n'brig help %s COMMAND' explains one.\n", noun);
}

/* Paragraphs, filled to HELP_WIDTH. */
static void help_show_text(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (column && column + 1 + len > HELP_WIDTH) {
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

void help_show_verb(const struct verb *verb)
{
	_cleanup_buf_ struct buf usage = BUF_INIT;

	verbs_put_usage(&usage, verb);
	printf("usage: %s\n", usage.data);
	if (verb->alias)
		printf("also called: %s\n", verb->alias);
	putchar('\n');
	help_show_text(verb->description ? verb->description : verb->summary);
	if (verb->options) {
		printf("\nOptions:\n");
		help_show_options(verb->options);
	}
	if (verb->examples)
		printf("\nExamples:\n");
	for (const char *const *e = verb->examples; e && e[0] && e[1]; e += 2)
		printf("  %s\n      %s\n", e[0], e[1]);
}

struct help_values {
	int man;
	int completion; /* index in completion_shells; negative: not asked for */
};

static const struct help_values help_defaults = { .completion = -1 };

static int help_explain(int argc, char **args, struct err *err)
{
	int words = 0;
	const struct verb *verb = verbs_find(argc, args, &words);

	if (!verb)
		return verbs_unknown(argc, args, err);
	if (words < argc)
		return err_set(err, -EINVAL, "'brig %s' has no command '%.64s'; see 'brig help %s'",
			       verb->name, args[words], verb->name);
	help_show_verb(verb);
	return 0;
}

static int help_run(const struct cli_context *cli _unused_, const void *values, char **args,
		    struct err *err)
{
	const struct help_values *v = values;
	int argc = (int)strv_len(args);

	if (v->man + (v->completion >= 0) + (argc > 0) > 1)
		return err_set(err, -EINVAL, "--man and --completion stand alone");
	if (v->man)
		manual_show();
	else if (v->completion >= 0)
		completion_show(v->completion);
	else if (!argc)
		help_show_all();
	else if (argc == 1 && verbs_is_noun(args[0]))
		help_show_noun(args[0]);
	else
		return help_explain(argc, args, err);
	return 0;
}

static int help_version(const struct cli_context *cli _unused_, const void *values _unused_,
			char **args _unused_, struct err *err _unused_)
{
	help_show_version();
	return 0;
}

static const struct option help_options[] = {
	{ "man", 0, OPTION_FLAG, NULL, "print the manual page brig(1)",
	  offsetof(struct help_values, man) },
	{ "completion", 0, OPTION_CHOICE, "SHELL",
	  "print the completion script for bash, zsh or fish",
	  offsetof(struct help_values, completion), .choices = completion_shells },
	OPTION_END,
};

static const char *const help_examples[] = {
	"brig help run",
	"explain 'brig run', its options, with examples",
	"eval \"$(brig help --completion bash)\"",
	"completion in this shell; installed packages bring it",
	NULL,
};

const struct verb cli_help_verbs[] = {
	{ .name = "help",
	  .group = "Help",
	  .args = "[COMMAND...]",
	  .summary = "List the commands, or explain one",
	  .description =
		  "Without an argument, lists every command. With one, explains it: what it does, "
		  "its options, examples. The same comes from --help after a command.",
	  .examples = help_examples,
	  .options = help_options,
	  .max_args = 2,
	  .values_size = sizeof(struct help_values),
	  .defaults = &help_defaults,
	  .complete = "verb",
	  .run = help_run },
	{ .name = "version",
	  .group = "Help",
	  .args = "",
	  .summary = "Show brig's version",
	  .run = help_version },
	{ .name = NULL },
};
