/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/option.h"

struct driver_ops;

/* The role `cli`: runs one command line and returns the program's exit status. drivers: the engines
 * that instances may have, NULL-terminated. */
int cli_main(int argc, char **argv, const struct driver_ops *const *drivers);

/* The options before the verb, for help, man page and completion. */
extern const struct option cli_options[];

/* Exit status of brig's own failures, as docker and podman have it. */
#define CLI_FAILURE 125

#endif
