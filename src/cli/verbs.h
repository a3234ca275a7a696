/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "base/buf.h"
#include "cli/verb.h"

/* All tables of verbs, in the order of `brig help`; NULL-terminated. */
extern const struct verb *const verbs_tables[];

/* The row after this one over all tables; NULL gives the first, the last one NULL. */
const struct verb *verbs_next(const struct verb *verb);
#define verbs_for_each(row) \
	for (const struct verb *row = verbs_next(NULL); row; row = verbs_next(row))

/* The verb's options; a table with no rows if it has none. */
const struct option *verbs_options(const struct verb *verb);

/* The verb that argv starts with, or NULL; *ret_words: how many words it took (1, or 2 with a noun). */
const struct verb *verbs_find(int argc, char **argv, int *ret_words);
/* "unknown verb" with the nearest one. Returns -EINVAL. */
int verbs_unknown(int argc, char **argv, struct err *err);

/* True if this is the first row of its noun, or a row without a noun. */
int verbs_is_first(const struct verb *verb);
/* True if some row has this noun. */
int verbs_is_noun(const char *word);

/* "run", or "image import". */
void verbs_put_name(struct buf *out, const struct verb *verb);
/* "brig run [OPTION...] IMAGE [COMMAND [ARG...]]" */
void verbs_put_usage(struct buf *out, const struct verb *verb);

#endif
