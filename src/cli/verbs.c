// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/verbs.h"

#include <string.h>

const struct verb *const verbs_tables[] = {
	cli_image_verbs,
	cli_kernel_verbs,
	NULL,
};

static int verbs_match(const struct verb *verb, int argc, char **argv)
{
	const char *name = verb->noun ? (argc > 1 ? argv[1] : NULL) : argv[0];

	if (verb->noun && strcmp(verb->noun, argv[0]))
		return 0;
	return name && (!strcmp(verb->name, name) || (verb->alias && !strcmp(verb->alias, name)));
}

const struct verb *verbs_find(int argc, char **argv, int *ret_words)
{
	for (const struct verb *const *table = verbs_tables; *table; table++) {
		for (const struct verb *verb = *table; verb->name; verb++) {
			if (verbs_match(verb, argc, argv)) {
				*ret_words = verb->noun ? 2 : 1;
				return verb;
			}
		}
	}
	return NULL;
}

#define VERBS_NAMES_MAX 128

int verbs_unknown(int argc, char **argv, struct err *err)
{
	const char *names[VERBS_NAMES_MAX + 1], *noun = NULL, *word, *near;
	size_t n = 0;

	for (const struct verb *const *table = verbs_tables; *table; table++) {
		for (const struct verb *verb = *table; verb->name; verb++) {
			if (verb->noun && !strcmp(verb->noun, argv[0]))
				noun = verb->noun;
		}
	}
	for (const struct verb *const *table = verbs_tables; *table; table++) {
		for (const struct verb *verb = *table; verb->name && n < VERBS_NAMES_MAX; verb++) {
			if (noun && verb->noun && !strcmp(verb->noun, noun))
				names[n++] = verb->name;
			else if (!noun)
				names[n++] = verb->noun ? verb->noun : verb->name;
		}
	}
	names[n] = NULL;
	if (noun && argc < 2)
		return err_set(err, -EINVAL, "'brig %s' needs a verb; see 'brig help %s'", noun,
			       noun);
	word = noun ? argv[1] : argv[0];
	near = option_nearest(word, names);
	return err_set(err, -EINVAL, "unknown verb '%.64s'%s%s%s; see 'brig help'", word,
		       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}
