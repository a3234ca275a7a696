// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The script for bash. _brig_about knows the tables: for a command it sets opts (its options), valued
 * (those that take a value, as OPTION=KIND), args (what its arguments complete to) and lead (its first
 * argument ends its options). The rest of the script is the same for all of them.
 */
#include "cli/cli.h"
#include "cli/completion.h"
#include "cli/verbs.h"

#include <string.h>

static const char completion_bash_head[] =
	"# Completion of brig for bash; made by 'brig help --completion bash'.\n"
	"\n"
	"_brig_about() {\n"
	"\topts= valued= args= lead=\n"
	"\tcase $1 in\n";

static const char completion_bash_tail[] =
	"# The candidates of a kind, among them those that begin with $2, in COMPREPLY.\n"
	"_brig_candidates() {\n"
	"\tlocal words=\n"
	"\tcase $1 in\n"
	"\t:*) words=${1#:} words=${words//,/ } ;;\n"
	"\tinstance) words=$(\"${brig[@]}\" ps -a -q 2>/dev/null) ;;\n"
	"\trunning) words=$(\"${brig[@]}\" ps -q 2>/dev/null) ;;\n"
	"\timage) words=$(\"${brig[@]}\" image ls -q 2>/dev/null) ;;\n"
	"\tkernel) words=\"$(\"${brig[@]}\" kernel ls -q 2>/dev/null) image\" ;;\n"
	"\tsignal) words='TERM KILL HUP INT QUIT USR1 USR2 STOP CONT WINCH' ;;\n"
	"\tbutton) words='button nmi reset' ;;\n"
	"\tverb) words=$_brig_verbs ;;\n"
	"\tcopy) [[ $2 == *:* || $2 == [./]* ]] ||\n"
	"\t\twords=$(\"${brig[@]}\" ps -a -q 2>/dev/null | while read -r name; do echo \"$name:\"; "
	"done)\n"
	"\t\tcompopt -o nospace 2>/dev/null ;;\n"
	"\tesac\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$2\")\n"
	"\tcase $1 in\n"
	"\tfile | command | copy)\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\tmapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$2\") ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"# The kind of an option's value, from valued.\n"
	"_brig_kind() {\n"
	"\tlocal pair\n"
	"\tfor pair in $valued; do\n"
	"\t\t[[ $pair != \"$1=\"* ]] || { echo \"${pair#*=}\"; return; }\n"
	"\tdone\n"
	"}\n"
	"\n"
	"_brig() {\n"
	"\tlocal i word verb= noun= kind= pending= n=0 cur opts valued args lead words=() "
	"brig=(\"$1\")\n"
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
	"\t_brig_about ''\n"
	"\tfor word in \"${words[@]}\"; do\n"
	"\t\tif [[ $pending ]]; then\n"
	"\t\t\t[[ $verb ]] || brig+=(\"$pending\" \"$word\")\n"
	"\t\t\tpending=\n"
	"\t\telif [[ $lead && $n -gt 0 ]]; then\n"
	"\t\t\t((n++))\n"
	"\t\telif [[ $word == -* ]]; then\n"
	"\t\t\t[[ -z $(_brig_kind \"$word\") ]] || pending=$word\n"
	"\t\t\t[[ $verb || $word != --*=* ]] || brig+=(\"$word\")\n"
	"\t\telif [[ ! $verb && ! $noun && \" $_brig_nouns \" == *\" $word \"* ]]; then\n"
	"\t\t\tnoun=$word\n"
	"\t\telif [[ ! $verb ]]; then\n"
	"\t\t\tverb=${noun:+$noun }$word\n"
	"\t\t\t_brig_about \"$verb\"\n"
	"\t\telse\n"
	"\t\t\t((n++))\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif [[ $pending ]]; then\n"
	"\t\tkind=$(_brig_kind \"$pending\")\n"
	"\telif [[ $cur == --*=* ]]; then\n"
	"\t\tkind=$(_brig_kind \"${cur%%=*}\")\n"
	"\t\tcur=${cur#*=}\n"
	"\telif [[ $cur == -* && ! ($lead && $n -gt 0) ]]; then\n"
	"\t\tkind=:${opts// /,}\n"
	"\telif [[ ! $verb ]]; then\n"
	"\t\t[[ $noun ]] || kind=verb\n"
	"\t\t[[ ! $noun ]] || kind=:$(_brig_of \"$noun\")\n"
	"\telse\n"
	"\t\tset -- $args\n"
	"\t\t((n < $# || $# == 0)) || n=$(($# - 1))\n"
	"\t\tshift \"$n\" 2>/dev/null\n"
	"\t\tkind=$1\n"
	"\tfi\n"
	"\t_brig_candidates \"$kind\" \"$cur\"\n"
	"\t# Readline replaces only what stands after the last : or =.\n"
	"\tlocal kept=${cur%\"${cur##*[:=]}\"}\n"
	"\tCOMPREPLY=(\"${COMPREPLY[@]#\"$kept\"}\")\n"
	"}\n"
	"\n"
	"complete -F _brig brig\n";

static void completion_bash_put_options(struct buf *out, const struct option *options)
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
		for (const char *p = completion_kind(o); *p; p++)
			buf_add(&kind, *p == ' ' ? "," : p, 1);
		buf_printf(out, " --%s=%s", o->name, kind.data);
		if (o->letter)
			buf_printf(out, " -%c=%s", o->letter, kind.data);
	}
	buf_add_str(out, "'");
}

/* The case's pattern: every name of the verb. */
static void completion_bash_put_pattern(struct buf *out, const struct verb *verb)
{
	_cleanup_strv_ char **names = strv_split(verb->alias ? verb->alias : "", " ");
	const char *noun = verb->noun ? verb->noun : "", *gap = verb->noun ? " " : "";

	buf_printf(out, "\t'%s%s%s'", noun, gap, verb->name);
	strv_for_each(name, names)
		buf_printf(out, " | '%s%s%s'", noun, gap, *name);
	buf_add_str(out, ") ");
}

static void completion_bash_put_verb(struct buf *out, const struct verb *verb)
{
	completion_bash_put_pattern(out, verb);
	completion_bash_put_options(out, verbs_options(verb));
	buf_printf(out, " args='%s'%s ;;\n", verb->complete ? verb->complete : "",
		   verb->mode == OPTION_LEAD ? " lead=1" : "");
}

static void completion_bash_put_words(struct buf *out)
{
	_cleanup_buf_ struct buf nouns = BUF_INIT;

	buf_add_str(out, "\n_brig_verbs='");
	verbs_for_each(verb) {
		if (!verbs_is_first(verb))
			continue;
		buf_printf(out, "%s ", verb->noun ? verb->noun : verb->name);
		if (verb->noun)
			buf_printf(&nouns, "%s ", verb->noun);
	}
	buf_printf(out, "'\n_brig_nouns='%s'\n\n_brig_of() {\n\tcase $1 in\n",
		   nouns.data ? nouns.data : "");
	verbs_for_each(first) {
		if (!first->noun || !verbs_is_first(first))
			continue;
		buf_printf(out, "\t%s) echo '", first->noun);
		verbs_for_each(verb) {
			if (verb->noun && !strcmp(verb->noun, first->noun))
				buf_printf(out, "%s,", verb->name);
		}
		buf_add_str(out, "' ;;\n");
	}
	buf_add_str(out, "\t*) ;;\n\tesac\n}\n\n");
}

void completion_bash_put(struct buf *out)
{
	buf_add_str(out, completion_bash_head);
	buf_add_str(out, "\t'') ");
	completion_bash_put_options(out, cli_options);
	buf_add_str(out, " ;;\n");
	verbs_for_each(verb)
		completion_bash_put_verb(out, verb);
	buf_add_str(out, "\tesac\n}\n");
	completion_bash_put_words(out);
	buf_add_str(out, completion_bash_tail);
}
