// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The script for bash. _~_about knows the tables: for a command it sets opts (its options), valued
 * (those that take a value, as OPTION=KIND), args (what its arguments complete to) and lead (its first
 * argument ends its options). The rest of the script is the same for all of them.
 */
#include "base/verb_complete.h"

#include <string.h>

static const char verb_complete_bash_head[] =
	"# Completion of ` for bash; made by '` help --completion bash'.\n"
	"\n"
	"_~_about() {\n"
	"\topts= valued= args= lead=\n"
	"\tcase $1 in\n";

static const char verb_complete_bash_words[] =
	"# The candidates of a kind, among them those that begin with $2, in COMPREPLY.\n"
	"_~_candidates() {\n"
	"\tlocal words=\n"
	"\tcase $1 in\n"
	"\t:*) words=${1#:} words=${words//,/ } ;;\n";

static const char verb_complete_bash_files[] =
	"\tverb) words=$_~_verbs ;;\n"
	"\tesac\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$2\")\n"
	"\tcase $1 in\n"
	"\tfile | command";

static const char verb_complete_bash_tail[] =
	")\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\tmapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$2\") ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"# The kind of an option's value, from valued.\n"
	"_~_kind() {\n"
	"\tlocal pair\n"
	"\tfor pair in $valued; do\n"
	"\t\t[[ $pair != \"$1=\"* ]] || { echo \"${pair#*=}\"; return; }\n"
	"\tdone\n"
	"}\n"
	"\n"
	"_~() {\n"
	"\tlocal i word verb= noun= kind= pending= n=0 cur opts valued args lead words=() "
	"program=(\"$1\")\n"
	"\t# Readline splits words at : and =, which options and image names have inside.\n"
	"\tfor ((i = 1; i <= COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tif [[ ${#words[@]} -gt 0 && $word && \"$word${COMP_WORDS[i - 1]}\" == *[:=]* &&\n"
	"\t\t\t($word == [:=] || ${COMP_WORDS[i - 1]} == [:=]) ]]; then\n"
	"\t\t\twords[-1]+=$word\n"
	"\t\telse\n"
	"\t\t\twords+=(\"$word\")\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tcur=${words[-1]}\n"
	"\tunset 'words[-1]'\n"
	"\t_~_about ''\n"
	"\tfor word in \"${words[@]}\"; do\n"
	"\t\tif [[ $pending ]]; then\n"
	"\t\t\t[[ $verb ]] || program+=(\"$pending\" \"$word\")\n"
	"\t\t\tpending=\n"
	"\t\telif [[ $lead && $n -gt 0 ]]; then\n"
	"\t\t\t((n++))\n"
	"\t\telif [[ $word == -* ]]; then\n"
	"\t\t\t[[ -z $(_~_kind \"$word\") ]] || pending=$word\n"
	"\t\t\t[[ $verb || $word != --*=* ]] || program+=(\"$word\")\n"
	"\t\telif [[ ! $verb && ! $noun && \" $_~_nouns \" == *\" $word \"* ]]; then\n"
	"\t\t\tnoun=$word\n"
	"\t\telif [[ ! $verb ]]; then\n"
	"\t\t\tverb=${noun:+$noun }$word\n"
	"\t\t\t_~_about \"$verb\"\n"
	"\t\telse\n"
	"\t\t\t((n++))\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif [[ $pending ]]; then\n"
	"\t\tkind=$(_~_kind \"$pending\")\n"
	"\telif [[ $cur == --*=* ]]; then\n"
	"\t\tkind=$(_~_kind \"${cur%%=*}\")\n"
	"\t\tcur=${cur#*=}\n"
	"\telif [[ $cur == -* && ! ($lead && $n -gt 0) ]]; then\n"
	"\t\tkind=:${opts// /,}\n"
	"\telif [[ ! $verb ]]; then\n"
	"\t\t[[ $noun ]] || kind=verb\n"
	"\t\t[[ ! $noun ]] || kind=:$(_~_of \"$noun\")\n"
	"\telse\n"
	"\t\tset -- $args\n"
	"\t\t((n < $# || $# == 0)) || n=$(($# - 1))\n"
	"\t\tshift \"$n\" 2>/dev/null\n"
	"\t\tkind=$1\n"
	"\tfi\n"
	"\t_~_candidates \"$kind\" \"$cur\"\n"
	"\t# Readline replaces only what stands after the last : or =.\n"
	"\tlocal kept=${cur%\"${cur##*[:=]}\"}\n"
	"\tCOMPREPLY=(\"${COMPREPLY[@]#\"$kept\"}\")\n"
	"}\n"
	"\n"
	"complete -F _~ `\n";

static void verb_complete_bash_put_options(struct buf *out, const struct option *options)
{
	buf_add_str(out, "opts='--help");
	for (const struct option *o = options; o->name; o++) {
		if (o->hidden || !strcmp(o->name, "help"))
			continue;
		buf_printf(out, " --%s", o->name);
		if (o->letter)
			buf_printf(out, " -%c", o->letter);
	}
	buf_add_str(out, "' valued='");
	for (const struct option *o = options; o->name; o++) {
		_cleanup_buf_ struct buf kind = BUF_INIT;

		if (o->type == OPTION_FLAG)
			continue;
		for (const char *p = verb_complete_kind(o); *p; p++)
			buf_add(&kind, *p == ' ' ? "," : p, 1);
		buf_printf(out, " --%s=%s", o->name, kind.data);
		if (o->letter)
			buf_printf(out, " -%c=%s", o->letter, kind.data);
	}
	buf_add_str(out, "'");
}

/* The case's pattern: every name of the verb. */
static void verb_complete_bash_put_pattern(struct buf *out, const struct verb *verb)
{
	_cleanup_strv_ char **names = strv_split(verb->alias ? verb->alias : "", " ");
	const char *noun = verb->noun ? verb->noun : "", *gap = verb->noun ? " " : "";

	buf_printf(out, "\t'%s%s%s'", noun, gap, verb->name);
	strv_for_each(name, names)
		buf_printf(out, " | '%s%s%s'", noun, gap, *name);
	buf_add_str(out, ") ");
}

static void verb_complete_bash_put_verb(struct buf *out, const struct verb *verb)
{
	verb_complete_bash_put_pattern(out, verb);
	verb_complete_bash_put_options(out, verb_options(verb));
	buf_printf(out, " args='%s'%s ;;\n", verb->complete ? verb->complete : "",
		   verb->mode == OPTION_LEAD ? " lead=1" : "");
}

static void verb_complete_bash_put_words(struct buf *out, const struct verb_program *program)
{
	_cleanup_buf_ struct buf nouns = BUF_INIT;

	buf_add_str(out, "\n_~_verbs='");
	verb_for_each(verb, program)
	{
		if (!verb_is_first(program, verb))
			continue;
		buf_printf(out, "%s ", verb->noun ? verb->noun : verb->name);
		if (verb->noun)
			buf_printf(&nouns, "%s ", verb->noun);
	}
	buf_printf(out, "'\n_~_nouns='%s'\n\n_~_of() {\n\tcase $1 in\n",
		   nouns.data ? nouns.data : "");
	verb_for_each(first, program)
	{
		if (!first->noun || !verb_is_first(program, first))
			continue;
		buf_printf(out, "\t%s) echo '", first->noun);
		verb_for_each(verb, program)
		{
			if (verb->noun && !strcmp(verb->noun, first->noun))
				buf_printf(out, "%s,", verb->name);
		}
		buf_add_str(out, "' ;;\n");
	}
	buf_add_str(out, "\t*) ;;\n\tesac\n}\n\n");
}

/* The cases of the program's own kinds: what it prints, and words that are always there. */
static void verb_complete_bash_put_kind(struct buf *out, const struct verb_kind *kind)
{
	buf_printf(out, "\t%s)", kind->name);
	if (kind->of_files)
		buf_printf(out,
			   " [[ $2 == *:* || $2 == [./]* ]] ||\n"
			   "\t\twords=$(\"${program[@]}\" %s 2>/dev/null | while read -r name; do "
			   "echo \"$name:\"; "
			   "done)\n"
			   "\t\tcompopt -o nospace 2>/dev/null",
			   kind->command);
	else if (kind->command)
		buf_printf(out, " words=\"$(\"${program[@]}\" %s 2>/dev/null) %s\"", kind->command,
			   kind->words ? kind->words : "");
	else
		buf_printf(out, " words='%s'", kind->words);
	buf_add_str(out, " ;;\n");
}

void verb_complete_bash_put(struct buf *out, const struct verb_program *program)
{
	buf_add_str(out, verb_complete_bash_head);
	buf_add_str(out, "\t'') ");
	verb_complete_bash_put_options(out, program->options);
	buf_add_str(out, " ;;\n");
	verb_for_each(verb, program) verb_complete_bash_put_verb(out, verb);
	buf_add_str(out, "\tesac\n}\n");
	verb_complete_bash_put_words(out, program);
	buf_add_str(out, verb_complete_bash_words);
	for (const struct verb_kind *kind = program->kinds; kind->name; kind++)
		verb_complete_bash_put_kind(out, kind);
	buf_add_str(out, verb_complete_bash_files);
	for (const struct verb_kind *kind = program->kinds; kind->name; kind++)
		buf_printf(out, "%s%s", kind->of_files ? " | " : "",
			   kind->of_files ? kind->name : "");
	buf_add_str(out, verb_complete_bash_tail);
}
