// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/verbs.h"
#include "base/word.h"

#include <string.h>

/* clang-format off */
const struct verb *const verbs_tables[] = {
	cli_run_verbs,
	cli_life_verbs,
	cli_enter_verbs,
	cli_copy_verbs,
	cli_ps_verbs,
	cli_show_verbs,
	cli_image_verbs,
	cli_kernel_verbs,
	cli_doctor_verbs,
	cli_help_verbs,
	NULL,
};
/* clang-format on */

const struct verb *verbs_next(const struct verb *verb)
{
	int found = !verb;

	for (const struct verb *const *table = verbs_tables; *table; table++) {
		for (const struct verb *row = *table; row->name; row++) {
			if (found)
				return row;
			found = row == verb;
		}
	}
	return NULL;
}

const struct option *verbs_options(const struct verb *verb)
{
	static const struct option none[] = { OPTION_END };

	return verb->options ? verb->options : none;
}

/* True if the word is one of the words of text, which blanks separate. */
static int verbs_has_word(const char *text, const char *word)
{
	_cleanup_strv_ char **words = text ? strv_split(text, " ") : NULL;

	return strv_has(words, word);
}

static int verbs_match(const struct verb *verb, int argc, char **argv)
{
	const char *name = verb->noun ? (argc > 1 ? argv[1] : NULL) : argv[0];

	if (verb->noun && strcmp(verb->noun, argv[0]))
		return 0;
	return name && (!strcmp(verb->name, name) || verbs_has_word(verb->alias, name));
}

const struct verb *verbs_find(int argc, char **argv, int *ret_words)
{
	verbs_for_each(verb) {
		if (argc > 0 && verbs_match(verb, argc, argv)) {
			*ret_words = verb->noun ? 2 : 1;
			return verb;
		}
	}
	return NULL;
}

int verbs_is_noun(const char *word)
{
	verbs_for_each(verb) {
		if (verb->noun && !strcmp(verb->noun, word))
			return 1;
	}
	return 0;
}

int verbs_is_first(const struct verb *verb)
{
	verbs_for_each(row) {
		if (row == verb)
			break;
		if (verb->noun && row->noun && !strcmp(row->noun, verb->noun))
			return 0;
	}
	return 1;
}

#define VERBS_NAMES_MAX 128

int verbs_unknown(int argc, char **argv, struct err *err)
{
	const char *names[VERBS_NAMES_MAX + 1], *near, *word;
	const char *noun = verbs_is_noun(argv[0]) ? argv[0] : NULL;
	size_t n = 0;

	if (noun && argc < 2)
		return err_set(err, -EINVAL, "'brig %s' needs a command; see 'brig help %s'", noun,
			       noun);
	verbs_for_each(verb) {
		if (n == VERBS_NAMES_MAX)
			break;
		if (noun && verb->noun && !strcmp(verb->noun, noun))
			names[n++] = verb->name;
		else if (!noun)
			names[n++] = verb->noun ? verb->noun : verb->name;
	}
	names[n] = NULL;
	word = noun ? argv[1] : argv[0];
	near = word_nearest(word, names);
	return err_set(err, -EINVAL, "unknown command '%.64s'%s%s%s see 'brig help%s%s'", word,
		       near ? "; did you mean '" : "", near ? near : "", near ? "'? or" : ";",
		       noun ? " " : "", noun ? noun : "");
}

void verbs_put_name(struct buf *out, const struct verb *verb)
{
	buf_printf(out, "%s%s%s", verb->noun ? verb->noun : "", verb->noun ? " " : "", verb->name);
}

void verbs_put_usage(struct buf *out, const struct verb *verb)
{
	buf_add_str(out, "brig ");
	verbs_put_name(out, verb);
	if (verb->options)
		buf_add_str(out, " [OPTION...]");
	if (verb->args && *verb->args)
		buf_printf(out, " %s", verb->args);
}
