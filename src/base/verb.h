/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_VERB_H
#define BASE_VERB_H

#include "base/option.h"

/*
 * A verb of a command line is one row: `PROGRAM NAME ...`, or `PROGRAM NOUN NAME ...` for the nouns (image,
 * kernel). Help, man page and completion are printed from the rows alone.
 */

/* What the verbs of a role get besides their own values; each role has its own, see its verb.h. */
struct cli_context;
struct oci_context;

struct verb {
	const char *noun; /* NULL: a verb of its own */
	const char *name;
	const char *alias;	     /* other names, separated by blanks; NULL: none */
	const char *group;	     /* heading in the help, where its first row stands */
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
	 * What each positional argument completes to, one word per argument, the last one repeats: a
	 * word of the program's kinds, or "file" "command" "verb" "none"; NULL: none.
	 */
	const char *complete;
	/*
	 * values: the struct that the options filled; args: positional, NULL-terminated. Returns the exit
	 * status of the program, or -errno with err set (which exits with err->exit_status). A row has the
	 * one of its role.
	 */
	union {
		int (*run)(const struct cli_context *cli, const void *values, char **args,
			   struct err *err);
		int (*run_oci)(const struct oci_context *oci, const void *values, char **args,
			       struct err *err);
	};
};

#endif
