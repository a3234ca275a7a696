/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/verb.h"

/* All tables of verbs, in the order of `brig help`; NULL-terminated. */
extern const struct verb *const verbs_tables[];

/* The verb that argv starts with, or NULL; *ret_words: how many words it took (1, or 2 with a noun). */
const struct verb *verbs_find(int argc, char **argv, int *ret_words);
/* "unknown verb" with the nearest one. Returns -EINVAL. */
int verbs_unknown(int argc, char **argv, struct err *err);

#endif
