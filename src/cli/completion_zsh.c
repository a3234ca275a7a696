// SPDX-License-Identifier: GPL-2.0-or-later
/* The script for zsh: one _arguments call for each command. */
#include "cli/cli.h"
#include "cli/completion.h"
#include "cli/verbs.h"

#include <string.h>

static const char completion_zsh_head[] =
	"#compdef brig\n"
	"# Completion of brig for zsh; made by 'brig help --completion zsh'.\n"
	"\n"
	"_brig_names() {\n"
	"\tlocal -a names\n"
	"\tnames=(${(f)\"$(_call_program names brig $@ 2>/dev/null)\"})\n"
	"\tcompadd -a names\n"
	"}\n"
	"_brig_instance() { _brig_names ps -a -q }\n"
	"_brig_running() { _brig_names ps -q }\n"
	"_brig_button() { compadd button nmi reset }\n"
	"_brig_image() { _brig_names image ls -q }\n"
	"_brig_kernel() { compadd image; _brig_names kernel ls -q }\n"
	"_brig_signal() { compadd TERM KILL HUP INT QUIT USR1 USR2 STOP CONT WINCH }\n"
	"_brig_copy() {\n"
	"\tlocal -a names\n"
	"\tnames=(${(f)\"$(_call_program names brig ps -a -q 2>/dev/null)\"})\n"
	"\tcompadd -S : -a names\n"
	"\t_files\n"
	"}\n";

static const char completion_zsh_tail[] =
	"\n_brig() {\n"
	"\tlocal curcontext=$curcontext state line\n"
	"\t_arguments -C -S $_brig_options '1: :_brig_verb' '*:: :->rest'\n"
	"\t[[ $state != rest ]] || _brig_rest\n"
	"}\n"
	"\n"
	"# Autoloaded, this file is the function; sourced, it is made known.\n"
	"if [[ $funcstack[1] == _brig ]]; then _brig \"$@\"; else compdef _brig brig; fi\n";

/* ":METAVAR:ACTION" of an option's value. */
static void completion_zsh_put_value(struct buf *out, const struct option *option)
{
	const char *kind = completion_kind(option);

	buf_add_str(out, ":");
	completion_put_quoted(out, option->metavar, ":\\[]");
	if (*kind == ':')
		buf_printf(out, ":(%s)", kind + 1);
	else if (!strcmp(kind, "file"))
		buf_add_str(out, ":_files");
	else if (!strcmp(kind, "none"))
		buf_add_str(out, ": ");
	else
		buf_printf(out, ":_brig_%s", kind);
}

static void completion_zsh_put_option(struct buf *out, const struct option *option)
{
	const char *equals = option->type == OPTION_FLAG ? "" : "=";

	buf_add_str(out, " \\\n\t\t");
	if (option->type == OPTION_STRV)
		buf_add_str(out, "'*'");
	else if (option->letter)
		buf_printf(out, "'(-%c --%s)'", option->letter, option->name);
	if (option->letter)
		buf_printf(out, "{-%c%s,--%s%s}", option->letter, *equals ? "+" : "", option->name,
			   equals);
	else
		buf_printf(out, "--%s%s", option->name, equals);
	buf_add_str(out, "'[");
	completion_put_quoted(out, option->help, ":\\[]");
	buf_add_str(out, "]");
	if (option->type != OPTION_FLAG)
		completion_zsh_put_value(out, option);
	buf_add_str(out, "'");
}

static void completion_zsh_put_options(struct buf *out, const struct option *options)
{
	for (const struct option *o = options; o->name; o++) {
		if (!o->hidden)
			completion_zsh_put_option(out, o);
	}
}

static void completion_zsh_put_args(struct buf *out, const struct verb *verb)
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
			buf_printf(out, "_brig_%s'", kind);
	}
}

/* "	(ps|ls|list)" of a case */
static void completion_zsh_put_pattern(struct buf *out, const struct verb *verb)
{
	buf_printf(out, "\t(%s", verb->name);
	for (const char *p = verb->alias ? verb->alias : ""; *p; p++) {
		if (p == verb->alias)
			buf_add_str(out, "|");
		buf_add(out, *p == ' ' ? "|" : p, 1);
	}
	buf_add_str(out, ")\n");
}

static void completion_zsh_put_verb(struct buf *out, const struct verb *verb)
{
	completion_zsh_put_pattern(out, verb);
	buf_add_str(out, "\t\t_arguments -s -S");
	if (verb->mode == OPTION_LEAD)
		buf_add_str(out, " -A '-*'");
	completion_zsh_put_options(out, verbs_options(verb));
	buf_add_str(out, " \\\n\t\t--help'[explain this command]'");
	completion_zsh_put_args(out, verb);
	buf_add_str(out, " ;;\n");
}

/* A function that offers the verbs of a noun, or with NULL the words that stand first. */
static void completion_zsh_put_list(struct buf *out, const char *noun)
{
	buf_printf(out, "_brig_%s%s() {\n\tlocal -a verbs=(", noun ? "verb_" : "verb",
		   noun ? noun : "");
	verbs_for_each(verb) {
		const char *word = !noun && verb->noun ? verb->noun : verb->name;

		if (noun ? !verb->noun || strcmp(verb->noun, noun) : !verbs_is_first(verb))
			continue;
		buf_printf(out, "\n\t\t'%s:", word);
		completion_put_quoted(out, !noun && verb->noun ? verb->group : verb->summary, "\\");
		buf_add_str(out, "'");
	}
	buf_add_str(out, ")\n\t_describe command verbs\n}\n");
}

/* A function that completes what follows the verb; noun NULL: for all that stand first. */
static void completion_zsh_put_rest(struct buf *out, const char *noun)
{
	buf_printf(out, "_brig_rest%s%s() {\n\tcase $words[1] in\n", noun ? "_" : "",
		   noun ? noun : "");
	verbs_for_each(verb) {
		if (noun ? verb->noun && !strcmp(verb->noun, noun) : !verb->noun)
			completion_zsh_put_verb(out, verb);
		else if (!noun && verbs_is_first(verb))
			buf_printf(out,
				   "\t(%s)\n\t\tlocal curcontext=$curcontext state line\n"
				   "\t\t_arguments -C -S '1: :_brig_verb_%s' '*:: :->rest'\n"
				   "\t\t[[ $state != rest ]] || _brig_rest_%s ;;\n",
				   verb->noun, verb->noun, verb->noun);
	}
	buf_add_str(out, "\tesac\n}\n");
}

void completion_zsh_put(struct buf *out)
{
	buf_add_str(out, completion_zsh_head);
	completion_zsh_put_list(out, NULL);
	verbs_for_each(verb) {
		if (verb->noun && verbs_is_first(verb)) {
			completion_zsh_put_list(out, verb->noun);
			completion_zsh_put_rest(out, verb->noun);
		}
	}
	completion_zsh_put_rest(out, NULL);
	buf_add_str(out, "\ntypeset -ga _brig_options=(");
	completion_zsh_put_options(out, cli_options);
	buf_add_str(out, ")\n");
	buf_add_str(out, completion_zsh_tail);
}
