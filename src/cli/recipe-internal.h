/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_RECIPE_INTERNAL_H
#define CLI_RECIPE_INTERNAL_H

#include "cli/recipe.h"

/* Also fills restart and restart_max. "no", "on-failure[:N]", "always", "unless-stopped"; NULL: no. */
int recipe_check_restart(const char *text, struct instance *ret, struct err *err);

/* The options of instance/limit_table.h, but for net-rate. Of a record with a kind. */
int recipe_fill_limits(const struct recipe *recipe, struct instance *ret, struct err *err);

/* -v, --mount and --disk, into volumes, tmpfs and drives. */
int recipe_fill_mounts(const struct recipe *recipe, struct instance *ret, struct err *err);

/* --network, --publish, --dns and the like: networks, ports, dns, dns_search and extra_hosts. Of a record with a kind. */
int recipe_fill_network(const struct recipe *recipe, struct instance *ret, struct err *err);

/* Whether the option was given and says anything but its default. */
int recipe_check_is_given(const struct recipe *recipe, const char *name);

/* option: which one, for the message. */
int recipe_check_tmpfs(const char *option, char *const *tmpfs, struct err *err);

#endif
