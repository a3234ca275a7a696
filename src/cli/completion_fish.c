// SPDX-License-Identifier: GPL-2.0-or-later
/* The script for fish: one `complete` line for each command and option, under a condition on the words
 * that stand before. */
#include "cli/cli.h"
#include "cli/completion.h"
#include "cli/verbs.h"

#include <string.h>

static const char completion_fish_head[] =
	"# Completion of brig for fish; made by 'brig help --completion fish'.\n"
	"\n"
	"# The command in the words before the cursor: its words without options, then its "
	"arguments.\n"
	"function __brig_words\n"
	"\tset -l skip 0\n"
	"\tfor word in (commandline -opc)[2..-1]\n"
	"\t\tif test $skip = 1\n"
	"\t\t\tset skip 0\n"
	"\t\telse if contains -- $word --root --run\n"
	"\t\t\tset skip 1\n"
	"\t\telse if not string match -q -- '-*' $word\n"
	"\t\t\techo $word\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"function __brig_first\n"
	"\ttest (count (__brig_words)) = 0\n"
	"end\n"
	"# Is the command one of these? A noun and its verb are one word, joined by a slash.\n"
	"function __brig_is\n"
	"\tset -l words (__brig_words)\n"
	"\tcontains -- \"$words[1]\" $argv; or contains -- \"$words[1]/$words[2]\" $argv\n"
	"end\n"
	"function __brig_needs_verb\n"
	"\tset -l words (__brig_words)\n"
	"\ttest (count $words) = 1; and test \"$words[1]\" = $argv[1]\n"
	"end\n"
	"function __brig_copy\n"
	"\tbrig ps -a -q 2>/dev/null | string replace -r '$' ':'\n"
	"end\n"
	"\n"
	"complete -c brig -f\n";

/* What `complete` is told of values of a kind. */
static void completion_fish_put_kind(struct buf *out, const char *kind, int is_option)
{
	static const char *const commands[][2] = {
		{ "instance", "brig ps -a -q 2>/dev/null" },
		{ "running", "brig ps -q 2>/dev/null" },
		{ "image", "brig image ls -q 2>/dev/null" },
		{ "kernel", "echo image; brig kernel ls -q 2>/dev/null" },
		{ "copy", "__brig_copy" },
		{ "button", "string split \" \" \"button nmi reset\"" },
		{ "signal",
		  "string split \" \" \"TERM KILL HUP INT QUIT USR1 USR2 STOP CONT WINCH\"" },
	};

	if (*kind == ':')
		buf_printf(out, " -x -a '%s'", kind + 1);
	else if (!strcmp(kind, "file") || !strcmp(kind, "command"))
		buf_add_str(out, is_option ? " -r -F" : " -F");
	else if (!strcmp(kind, "none") && is_option)
		buf_add_str(out, " -x");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(kind, commands[i][0]))
			buf_printf(out, "%s -a '(%s)'%s", is_option ? " -x" : "", commands[i][1],
				   !strcmp(kind, "copy") ? " -F" : "");
	}
}

static void completion_fish_put_option(struct buf *out, const char *condition,
				       const struct option *option)
{
	buf_printf(out, "complete -c brig -n '%s' -l %s", condition, option->name);
	if (option->letter)
		buf_printf(out, " -s %c", option->letter);
	if (option->type != OPTION_FLAG)
		completion_fish_put_kind(out, completion_kind(option), 1);
	buf_add_str(out, " -d '");
	completion_put_quoted(out, option->help, "\\");
	buf_add_str(out, "'\n");
}

static void completion_fish_put_command(struct buf *out, const char *condition, const char *word,
					const char *about)
{
	buf_printf(out, "complete -c brig -n '%s' -a %s -d '", condition, word);
	completion_put_quoted(out, about, "\\");
	buf_add_str(out, "'\n");
}

static void completion_fish_put_names(struct buf *out, const struct verb *verb)
{
	char condition[64] = "__brig_first";

	if (verb->noun && verbs_is_first(verb))
		completion_fish_put_command(out, condition, verb->noun, verb->group);
	if (verb->noun)
		snprintf(condition, sizeof(condition), "__brig_needs_verb %s", verb->noun);
	completion_fish_put_command(out, condition, verb->name, verb->summary);
}

static void completion_fish_put_verb(struct buf *out, const struct verb *verb)
{
	_cleanup_strv_ char **names = strv_split(verb->alias ? verb->alias : "", " ");
	_cleanup_strv_ char **kinds = strv_split(verb->complete ? verb->complete : "", " ");
	_cleanup_buf_ struct buf condition = BUF_INIT;
	const char *noun = verb->noun ? verb->noun : "", *slash = verb->noun ? "/" : "";

	completion_fish_put_names(out, verb);
	buf_printf(&condition, "__brig_is %s%s%s", noun, slash, verb->name);
	strv_for_each(name, names)
		buf_printf(&condition, " %s%s%s", noun, slash, *name);
	for (const struct option *o = verbs_options(verb); o->name; o++) {
		if (!o->hidden)
			completion_fish_put_option(out, condition.data, o);
	}
	buf_printf(out, "complete -c brig -n '%s' -l help -d 'explain this command'\n",
		   condition.data);
	strv_for_each(kind, kinds) {
		buf_printf(out, "complete -c brig -n '%s'", condition.data);
		completion_fish_put_kind(out, *kind, 0);
		buf_add_str(out, "\n");
	}
}

void completion_fish_put(struct buf *out)
{
	buf_add_str(out, completion_fish_head);
	for (const struct option *o = cli_options; o->name; o++)
		completion_fish_put_option(out, "__brig_first", o);
	verbs_for_each(verb)
		completion_fish_put_verb(out, verb);
}
