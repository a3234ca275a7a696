/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/verb.h"

void help_show_short(FILE *out); /* what to type first */
void help_show_version(void);

#endif
