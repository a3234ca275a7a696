/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_CLI_H
#define CLI_CLI_H

/* The role `cli`: runs one command line and returns the program's exit status. */
int cli_main(int argc, char **argv);

#endif
