/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_RECIPE_INTERNAL_H
#define CLI_RECIPE_INTERNAL_H

#include "cli/recipe.h"

/* Also fills restart and restart_max. "no", "on-failure[:N]", "always", "unless-stopped"; NULL: no. */
int recipe_check_restart(const char *text, struct instance *ret, struct err *err);

#endif
