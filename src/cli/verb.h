/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include "base/option.h"
#include "proto/driver.h"

/*
 * A verb of the command line is one row: `brig NAME ...`, or `brig NOUN NAME ...` for the nouns (image,
 * kernel). Help, man page and completion are printed from the rows alone.
 */

/* What every verb gets: where brig's data is and how to talk. */
struct cli_context {
	const char *root;			 /* --root, default /var/lib/brig */
	const char *run;			 /* --run, default /run/brig */
	const struct driver_ops *const *drivers; /* NULL-terminated, from main's table */
};

struct verb {
	const char *noun; /* NULL: a verb of its own */
	const char *name;
	const char *alias;	     /* other names, separated by blanks; NULL: none */
	const char *group;	     /* heading in `brig help`, where its first row stands */
	const char *args;	     /* "IMAGE [COMMAND [ARG...]]" */
	const char *summary;	     /* one line, no full stop */
	const char *description;     /* paragraphs for the man page, separated by blank lines */
	const char *const *examples; /* pairs: command, what it does; NULL-terminated */
	const struct option *options;
	enum option_mode mode;
	int min_args, max_args; /* positional; max_args < 0: any number */
	size_t values_size;	/* of the struct that options fill */
	const void *defaults;	/* initial bytes of that struct; NULL: zero */
	/*
	 * What each positional argument completes to, one word per argument, the last one repeats:
	 * "instance" "running" "image" "kernel" "file" "command" "verb" "button"
	 * "copy" (NAME:PATH or a file) "none"; NULL: none.
	 */
	const char *complete;
	/*
	 * values: the struct that the options filled; args: positional, NULL-terminated. Returns the exit
	 * status of the program, or -errno with err set (which exits with err->exit_status).
	 */
	int (*run)(const struct cli_context *cli, const void *values, char **args, struct err *err);
};

/* Every table of rows, ended by a row with a NULL name; cli/verbs.c lists the tables. */
extern const struct verb cli_run_verbs[];
extern const struct verb cli_life_verbs[];
extern const struct verb cli_ps_verbs[];
extern const struct verb cli_show_verbs[];
extern const struct verb cli_enter_verbs[];
extern const struct verb cli_copy_verbs[];
extern const struct verb cli_help_verbs[];
extern const struct verb cli_image_verbs[];
extern const struct verb cli_kernel_verbs[];
extern const struct verb cli_doctor_verbs[];

#endif
