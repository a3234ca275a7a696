/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/verb.h"

/* Help on stdout, made from the tables of verbs and options. */

void help_show_short(FILE *out); /* what to type first */
void help_show_all(void);	 /* every verb in its group */
void help_show_verb(const struct verb *verb);
void help_show_noun(const char *noun);
void help_show_version(void);

#endif
