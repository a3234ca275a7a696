// SPDX-License-Identifier: GPL-2.0-or-later
/* The script for fish: one `complete` line for each command and option, under a condition on the words
 * that stand before. */
#include "base/verb_complete.h"

#include <string.h>

static const char verb_complete_fish_head[] =
	"# Completion of ` for fish; made by '` help --completion fish'.\n"
	"\n"
	"# The command in the words before the cursor: its words without options, then its "
	"arguments.\n"
	"function __~_words\n"
	"\tset -l skip 0\n"
	"\tfor word in (commandline -opc)[2..-1]\n"
	"\t\tif test $skip = 1\n"
	"\t\t\tset skip 0\n"
	"\t\telse if contains -- $word";

static const char verb_complete_fish_words[] =
	"\n"
	"\t\t\tset skip 1\n"
	"\t\telse if not string match -q -- '-*' $word\n"
	"\t\t\techo $word\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"function __~_first\n"
	"\ttest (count (__~_words)) = 0\n"
	"end\n"
	"# Is the command one of these? A noun and its verb are one word, joined by a slash.\n"
	"function __~_is\n"
	"\tset -l words (__~_words)\n"
	"\tcontains -- \"$words[1]\" $argv; or contains -- \"$words[1]/$words[2]\" $argv\n"
	"end\n"
	"function __~_needs_verb\n"
	"\tset -l words (__~_words)\n"
	"\ttest (count $words) = 1; and test \"$words[1]\" = $argv[1]\n"
	"end\n"
	"\n"
	"complete -c ` -f\n";

/* What follows -a: a command that prints the program's names, and words that are always there. */
static void verb_complete_fish_put_own(struct buf *out, const struct verb_kind *kind, int is_option)
{
	buf_printf(out, "%s -a '(", is_option ? " -x" : "");
	if (kind->words)
		buf_printf(out, "string split \" \" \"%s\"%s", kind->words,
			   kind->command ? "; " : "");
	if (kind->command)
		buf_printf(out, "` %s 2>/dev/null", kind->command);
	buf_printf(out, "%s)'%s", kind->of_files ? " | string replace -r \"\\$\" :" : "",
		   kind->of_files ? " -F" : "");
}

/* What the shell's command is told of values of a kind. */
static void verb_complete_fish_put_kind(struct buf *out, const struct verb_program *program,
					const char *kind, int is_option)
{
	if (*kind == ':')
		buf_printf(out, " -x -a '%s'", kind + 1);
	else if (!strcmp(kind, "file") || !strcmp(kind, "command"))
		buf_add_str(out, is_option ? " -r -F" : " -F");
	else if (!strcmp(kind, "none") && is_option)
		buf_add_str(out, " -x");
	for (const struct verb_kind *own = program->kinds; own->name; own++) {
		if (!strcmp(kind, own->name))
			verb_complete_fish_put_own(out, own, is_option);
	}
}

static void verb_complete_fish_put_option(struct buf *out, const struct verb_program *program,
					  const char *condition, const struct option *option)
{
	buf_printf(out, "complete -c ` -n '%s' -l %s", condition, option->name);
	if (option->letter)
		buf_printf(out, " -s %c", option->letter);
	if (option->type != OPTION_FLAG)
		verb_complete_fish_put_kind(out, program, verb_complete_kind(option), 1);
	buf_add_str(out, " -d '");
	verb_complete_put_quoted(out, option->help, "\\");
	buf_add_str(out, "'\n");
}

static void verb_complete_fish_put_command(struct buf *out, const char *condition, const char *word,
					   const char *about)
{
	buf_printf(out, "complete -c ` -n '%s' -a %s -d '", condition, word);
	verb_complete_put_quoted(out, about, "\\");
	buf_add_str(out, "'\n");
}

static void verb_complete_fish_put_names(struct buf *out, const struct verb_program *program,
					 const struct verb *verb)
{
	char condition[64] = "__~_first";

	if (verb->noun && verb_is_first(program, verb))
		verb_complete_fish_put_command(out, condition, verb->noun, verb->group);
	if (verb->noun)
		snprintf(condition, sizeof(condition), "__~_needs_verb %s", verb->noun);
	verb_complete_fish_put_command(out, condition, verb->name, verb->summary);
}

static void verb_complete_fish_put_verb(struct buf *out, const struct verb_program *program,
					const struct verb *verb)
{
	_cleanup_strv_ char **names = strv_split(verb->alias ? verb->alias : "", " ");
	_cleanup_strv_ char **kinds = strv_split(verb->complete ? verb->complete : "", " ");
	_cleanup_buf_ struct buf condition = BUF_INIT;
	const char *noun = verb->noun ? verb->noun : "", *slash = verb->noun ? "/" : "";

	verb_complete_fish_put_names(out, program, verb);
	buf_printf(&condition, "__~_is %s%s%s", noun, slash, verb->name);
	strv_for_each(name, names)
		buf_printf(&condition, " %s%s%s", noun, slash, *name);
	for (const struct option *o = verb_options(verb); o->name; o++) {
		if (!o->hidden)
			verb_complete_fish_put_option(out, program, condition.data, o);
	}
	buf_printf(out, "complete -c ` -n '%s' -l help -d 'explain this command'\n",
		   condition.data);
	strv_for_each(kind, kinds) {
		buf_printf(out, "complete -c ` -n '%s'", condition.data);
		verb_complete_fish_put_kind(out, program, *kind, 0);
		buf_add_str(out, "\n");
	}
}

void verb_complete_fish_put(struct buf *out, const struct verb_program *program)
{
	buf_add_str(out, verb_complete_fish_head);
	for (const struct option *o = program->options; o->name; o++)
		buf_printf(out, "%s%s", o->type == OPTION_FLAG ? "" : " --",
			   o->type == OPTION_FLAG ? "" : o->name);
	buf_add_str(out, verb_complete_fish_words);
	for (const struct option *o = program->options; o->name; o++)
		verb_complete_fish_put_option(out, program, "__~_first", o);
	verb_for_each(verb, program) verb_complete_fish_put_verb(out, program, verb);
}
