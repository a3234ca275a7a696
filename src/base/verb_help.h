/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_VERB_HELP_H
#define BASE_VERB_HELP_H

#include "base/verb.h"

/* Help on stdout, made from the tables of verbs and options. */

void verb_help_show_all(const struct verb_program *program); /* every verb in its group */
void verb_help_show(const struct verb_program *program, const struct verb *verb);
void verb_help_show_noun(const struct verb_program *program, const char *noun);

/* What a row `help [COMMAND...]` needs: it also prints the manual page and completion scripts. */
struct verb_help_values {
	int man;
	int completion; /* index in verb_complete_shells; negative: not asked for */
};
extern const struct verb_help_values verb_help_defaults;
extern const struct option verb_help_options[];
int verb_help_run(const struct verb_program *program, const void *values, char **args,
		  struct err *err);

#endif
