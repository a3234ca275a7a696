/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_CLI_H
#define CLI_CLI_H

struct driver_ops;

/* The role `cli`: runs one command line and returns the program's exit status. drivers: the engines
 * that instances may have, NULL-terminated. */
int cli_main(int argc, char **argv, const struct driver_ops *const *drivers);

#endif
