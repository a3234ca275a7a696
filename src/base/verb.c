// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/verb.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/verb_help.h"
#include "base/word.h"

#include <string.h>

const struct verb *verb_next(const struct verb_program *program, const struct verb *verb)
{
	int found = !verb;

	for (const struct verb *const *table = program->tables; *table; table++) {
		for (const struct verb *row = *table; row->name; row++) {
			if (found)
				return row;
			found = row == verb;
		}
	}
	return NULL;
}

const struct option *verb_options(const struct verb *verb)
{
	static const struct option none[] = { OPTION_END };

	return verb->options ? verb->options : none;
}

/* True if the word is one of the words of text, which blanks separate. */
static int verb_has_word(const char *text, const char *word)
{
	_cleanup_strv_ char **words = text ? strv_split(text, " ") : NULL;

	return strv_has(words, word);
}

static int verb_match(const struct verb *verb, int argc, char **argv)
{
	const char *name = verb->noun ? (argc > 1 ? argv[1] : NULL) : argv[0];

	if (verb->noun && strcmp(verb->noun, argv[0]))
		return 0;
	return name && (!strcmp(verb->name, name) || verb_has_word(verb->alias, name));
}

const struct verb *verb_find(const struct verb_program *program, int argc, char **argv,
			     int *ret_words)
{
	verb_for_each(verb, program)
	{
		if (argc > 0 && verb_match(verb, argc, argv)) {
			*ret_words = verb->noun ? 2 : 1;
			return verb;
		}
	}
	return NULL;
}

int verb_is_noun(const struct verb_program *program, const char *word)
{
	verb_for_each(verb, program)
	{
		if (verb->noun && !strcmp(verb->noun, word))
			return 1;
	}
	return 0;
}

int verb_is_first(const struct verb_program *program, const struct verb *verb)
{
	verb_for_each(row, program)
	{
		if (row == verb)
			break;
		if (verb->noun && row->noun && !strcmp(row->noun, verb->noun))
			return 0;
	}
	return 1;
}

#define VERB_NAMES_MAX 128

int verb_unknown(const struct verb_program *program, int argc, char **argv, struct err *err)
{
	const char *names[VERB_NAMES_MAX + 1], *near, *word;
	const char *noun = verb_is_noun(program, argv[0]) ? argv[0] : NULL;
	size_t n = 0;

	if (noun && argc < 2)
		return err_set(err, -EINVAL, "'%s %s' needs a command; see '%s help %s'",
			       program->name, noun, program->name, noun);
	verb_for_each(verb, program)
	{
		if (n == VERB_NAMES_MAX)
			break;
		if (noun && verb->noun && !strcmp(verb->noun, noun))
			names[n++] = verb->name;
		else if (!noun)
			names[n++] = verb->noun ? verb->noun : verb->name;
	}
	names[n] = NULL;
	word = noun ? argv[1] : argv[0];
	near = word_nearest(word, names);
	return err_set(err, -EINVAL, "unknown command '%.64s'%s%s%s see '%s help%s%s'", word,
		       near ? "; did you mean '" : "", near ? near : "", near ? "'? or" : ";",
		       program->name, noun ? " " : "", noun ? noun : "");
}

void verb_put_name(struct buf *out, const struct verb *verb)
{
	buf_printf(out, "%s%s%s", verb->noun ? verb->noun : "", verb->noun ? " " : "", verb->name);
}

void verb_put_usage(struct buf *out, const struct verb_program *program, const struct verb *verb)
{
	buf_printf(out, "%s ", program->name);
	verb_put_name(out, verb);
	if (verb->options)
		buf_add_str(out, " [OPTION...]");
	if (verb->args && *verb->args)
		buf_printf(out, " %s", verb->args);
}

/* A verb's rows and, last, --help, which every verb has; -h is the verb's own if it has one. */
static struct option *verb_all_options(const struct verb *verb, size_t help_at)
{
	const struct option *rows = verb_options(verb);
	struct option *all = NULL;
	size_t n = 0;

	while (rows[n].name)
		n++;
	all = mem_zalloc((n + 2) * sizeof(*all));
	memcpy(all, rows, n * sizeof(*all));
	all[n] = (struct option){ .name = "help", .letter = 'h', .offset = help_at };
	return all;
}

static int verb_check_args(const struct verb_program *program, const struct verb *verb, char **args,
			   struct err *err)
{
	_cleanup_buf_ struct buf usage = BUF_INIT;
	int n = (int)strv_len(args);

	if (n >= verb->min_args && (verb->max_args < 0 || n <= verb->max_args))
		return 0;
	verb_put_usage(&usage, program, verb);
	return err_set(err, -EINVAL, "too %s arguments; usage: %s",
		       n < verb->min_args ? "few" : "many", usage.data);
}

/* Whoever mistook an option wants to see which there are. */
static void verb_add_hint(const struct verb_program *program, const struct verb *verb,
			  struct err *err)
{
	_cleanup_buf_ struct buf name = BUF_INIT;
	size_t used = strlen(err->msg);

	verb_put_name(&name, verb);
	snprintf(err->msg + used, sizeof(err->msg) - used, "; see '%s help %s'", program->name,
		 name.data);
}

static int verb_run(const struct verb_program *program, const struct verb *verb, int argc,
		    char **argv, verb_call_fn call, const void *context, struct err *err)
{
	size_t help_at = (verb->values_size + 7) & ~(size_t)7;
	_cleanup_free_ char *values = mem_zalloc(help_at + sizeof(int));
	_cleanup_free_ struct option *options = verb_all_options(verb, help_at);
	_cleanup_free_ char **args = NULL;
	int r;

	if (verb->defaults)
		memcpy(values, verb->defaults, verb->values_size);
	r = option_parse(options, verb->mode | program->mode, argc, argv, values, &args, err);
	if (r < 0)
		verb_add_hint(program, verb, err);
	if (r == 0 && *(int *)(void *)(values + help_at)) {
		r = verb->check ? verb->check(err) : 0;
		if (r == 0)
			verb_help_show(program, verb);
	} else if (r == 0) {
		r = verb_check_args(program, verb, args, err);
		if (r == 0)
			r = call(verb, context, values, args, err);
	}
	option_release(options, values);
	return r;
}

/* "network --help", "network help" */
static int verb_asks_of_noun(const struct verb_program *program, int argc, char **argv)
{
	static char *const words[] = { (char *)"--help", (char *)"-h", (char *)"help", NULL };

	return argc == 2 && verb_is_noun(program, argv[0]) && strv_has(words, argv[1]);
}

int verb_dispatch(const struct verb_program *program, int argc, char **argv, verb_call_fn call,
		  const void *context, struct err *err)
{
	int words = 0;
	const struct verb *verb = verb_find(program, argc, argv, &words);

	if (!verb && verb_asks_of_noun(program, argc, argv)) {
		verb_help_show_noun(program, argv[0]);
		return 0;
	}
	if (!verb)
		return verb_unknown(program, argc, argv, err);
	return verb_run(program, verb, argc - words, argv + words, call, context, err);
}
