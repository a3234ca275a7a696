// SPDX-License-Identifier: GPL-2.0-or-later
/* The script for zsh: one _arguments call for each command. */
#include "base/verb_complete.h"

#include <string.h>

static const char verb_complete_zsh_head[] =
	"#compdef `\n"
	"# Completion of ` for zsh; made by '` help --completion zsh'.\n"
	"\n"
	"_~_names() {\n"
	"\tlocal -a names\n"
	"\tnames=(${(f)\"$(_call_program names ` $@ 2>/dev/null)\"})\n"
	"\tcompadd -a names\n"
	"}\n";

static const char verb_complete_zsh_tail[] =
	"\n_~() {\n"
	"\tlocal curcontext=$curcontext state line\n"
	"\t_arguments -C -S $_~_options '1: :_~_verb' '*:: :->rest'\n"
	"\t[[ $state != rest ]] || _~_rest\n"
	"}\n"
	"\n"
	"# Autoloaded, this file is the function; sourced, it is made known.\n"
	"if [[ $funcstack[1] == _~ ]]; then _~ \"$@\"; else compdef _~ `; fi\n";

/* ":METAVAR:ACTION" of an option's value. */
static void verb_complete_zsh_put_value(struct buf *out, const struct option *option)
{
	const char *kind = verb_complete_kind(option);

	buf_add_str(out, ":");
	verb_complete_put_quoted(out, option->metavar, ":\\[]");
	if (*kind == ':')
		buf_printf(out, ":(%s)", kind + 1);
	else if (!strcmp(kind, "file"))
		buf_add_str(out, ":_files");
	else if (!strcmp(kind, "none"))
		buf_add_str(out, ": ");
	else
		buf_printf(out, ":_~_%s", kind);
}

static void verb_complete_zsh_put_option(struct buf *out, const struct option *option)
{
	const char *equals = option->type == OPTION_FLAG ? "" : "=";

	buf_add_str(out, " \\\n\t\t");
	if (option->type == OPTION_STRV || option->type == OPTION_PAIR)
		buf_add_str(out, "'*'");
	else if (option->letter)
		buf_printf(out, "'(-%c --%s)'", option->letter, option->name);
	if (option->letter)
		buf_printf(out, "{-%c%s,--%s%s}", option->letter, *equals ? "+" : "", option->name,
			   equals);
	else
		buf_printf(out, "--%s%s", option->name, equals);
	buf_add_str(out, "'[");
	verb_complete_put_quoted(out, option->help, ":\\[]");
	buf_add_str(out, "]");
	if (option->type != OPTION_FLAG)
		verb_complete_zsh_put_value(out, option);
	buf_add_str(out, "'");
}

static void verb_complete_zsh_put_options(struct buf *out, const struct option *options)
{
	for (const struct option *o = options; o->name; o++) {
		if (!o->hidden)
			verb_complete_zsh_put_option(out, o);
	}
}

static void verb_complete_zsh_put_args(struct buf *out, const struct verb *verb)
{
	_cleanup_strv_ char **kinds = strv_split(verb->complete ? verb->complete : "", " ");
	size_t n = strv_len(kinds);

	for (size_t i = 0; i < n; i++) {
		const char *kind = kinds[i];

		buf_add_str(out, " \\\n\t\t");
		if (!strcmp(kind, "command")) {
			buf_add_str(out, "'*::command:_normal'");
			continue;
		}
		if (i + 1 == n && verb->max_args != (int)n)
			buf_printf(out, "'*: :");
		else
			buf_printf(out, "'%zu: :", i + 1);
		if (!strcmp(kind, "file"))
			buf_add_str(out, "_files'");
		else if (!strcmp(kind, "none"))
			buf_add_str(out, " '");
		else
			buf_printf(out, "_~_%s'", kind);
	}
}

/* "	(ps|ls|list)" of a case */
static void verb_complete_zsh_put_pattern(struct buf *out, const struct verb *verb)
{
	buf_printf(out, "\t(%s", verb->name);
	for (const char *p = verb->alias ? verb->alias : ""; *p; p++) {
		if (p == verb->alias)
			buf_add_str(out, "|");
		buf_add(out, *p == ' ' ? "|" : p, 1);
	}
	buf_add_str(out, ")\n");
}

static void verb_complete_zsh_put_verb(struct buf *out, const struct verb *verb)
{
	verb_complete_zsh_put_pattern(out, verb);
	buf_add_str(out, "\t\t_arguments -s -S");
	if (verb->mode == OPTION_LEAD)
		buf_add_str(out, " -A '-*'");
	verb_complete_zsh_put_options(out, verb_options(verb));
	buf_add_str(out, " \\\n\t\t--help'[explain this command]'");
	verb_complete_zsh_put_args(out, verb);
	buf_add_str(out, " ;;\n");
}

/* A function that offers the verbs of a noun, or with NULL the words that stand first. */
static void verb_complete_zsh_put_list(struct buf *out, const struct verb_program *program,
				       const char *noun)
{
	buf_printf(out, "_~_%s%s() {\n\tlocal -a verbs=(", noun ? "verb_" : "verb",
		   noun ? noun : "");
	verb_for_each(verb, program)
	{
		const char *word = !noun && verb->noun ? verb->noun : verb->name;

		if (noun ? !verb->noun || strcmp(verb->noun, noun) : !verb_is_first(program, verb))
			continue;
		buf_printf(out, "\n\t\t'%s:", word);
		verb_complete_put_quoted(out, !noun && verb->noun ? verb->group : verb->summary,
					 "\\");
		buf_add_str(out, "'");
	}
	buf_add_str(out, ")\n\t_describe command verbs\n}\n");
}

/* A function that completes what follows the verb; noun NULL: for all that stand first. */
static void verb_complete_zsh_put_rest(struct buf *out, const struct verb_program *program,
				       const char *noun)
{
	buf_printf(out, "_~_rest%s%s() {\n\tcase $words[1] in\n", noun ? "_" : "",
		   noun ? noun : "");
	verb_for_each(verb, program)
	{
		if (noun ? verb->noun && !strcmp(verb->noun, noun) : !verb->noun)
			verb_complete_zsh_put_verb(out, verb);
		else if (!noun && verb_is_first(program, verb))
			buf_printf(out,
				   "\t(%s)\n\t\tlocal curcontext=$curcontext state line\n"
				   "\t\t_arguments -C -S '1: :_~_verb_%s' '*:: :->rest'\n"
				   "\t\t[[ $state != rest ]] || _~_rest_%s ;;\n",
				   verb->noun, verb->noun, verb->noun);
	}
	buf_add_str(out, "\tesac\n}\n");
}

/* A function that offers what is of the kind. */
static void verb_complete_zsh_put_kind(struct buf *out, const struct verb_kind *kind)
{
	buf_printf(out, "_~_%s() {", kind->name);
	if (kind->of_files)
		buf_printf(out,
			   "\n\tlocal -a names\n"
			   "\tnames=(${(f)\"$(_call_program names ` %s 2>/dev/null)\"})\n"
			   "\tcompadd -S : -a names\n"
			   "\t_files\n}\n",
			   kind->command);
	else
		buf_printf(out, " %s%s%s%s%s }\n", kind->words ? "compadd " : "",
			   kind->words ? kind->words : "", kind->words && kind->command ? "; " : "",
			   kind->command ? "_~_names " : "", kind->command ? kind->command : "");
}

void verb_complete_zsh_put(struct buf *out, const struct verb_program *program)
{
	buf_add_str(out, verb_complete_zsh_head);
	for (const struct verb_kind *kind = program->kinds; kind->name; kind++)
		verb_complete_zsh_put_kind(out, kind);
	verb_complete_zsh_put_list(out, program, NULL);
	verb_for_each(verb, program)
	{
		if (verb->noun && verb_is_first(program, verb)) {
			verb_complete_zsh_put_list(out, program, verb->noun);
			verb_complete_zsh_put_rest(out, program, verb->noun);
		}
	}
	verb_complete_zsh_put_rest(out, program, NULL);
	buf_add_str(out, "\ntypeset -ga _~_options=(");
	verb_complete_zsh_put_options(out, program->options);
	buf_add_str(out, ")\n");
	buf_add_str(out, verb_complete_zsh_tail);
}
