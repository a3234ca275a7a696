/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_VERB_H
#define BASE_VERB_H

#include "base/buf.h"
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
	 * Whether this host can do it at all; then --help fails as well, since that is how callers find out. NULL: it
	 * can. */
	int (*check)(struct err *err);
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

/* What values and arguments complete to, besides "file" "command" "verb" "none". */
struct verb_kind {
	const char *name;
	const char *
		command; /* the program prints one word per line with these arguments; NULL: nothing */
	const char *words; /* that always count too, separated by blanks; NULL: none */
	int of_files;	   /* NAME:PATH, or a file */
};

/* The words of the kind "signal", which options of type OPTION_SIGNAL complete to. */
#define VERB_SIGNALS "TERM KILL HUP INT QUIT USR1 USR2 STOP CONT WINCH"

/* What the manual page has besides the rows: man(7) source. */
struct verb_page {
	int section;
	const char *date; /* its own words were last changed then */
	const char *head; /* from NAME to before the options */
	const char *tail; /* after the commands */
};

/* The command line of a role as a whole. */
struct verb_program {
	const char *name;		  /* "brig" */
	const char *identifier;		  /* the same as shells take it in a function's name */
	const struct verb *const *tables; /* in the order of the help; NULL-terminated */
	const struct option *options;	  /* before the verb */
	enum option_mode mode;		  /* added to that of each verb */
	const struct verb_kind *kinds;	  /* ended by a NULL name */
	const struct verb_page *page;
};

/* The row after this one over all tables; NULL gives the first, the last one NULL. */
const struct verb *verb_next(const struct verb_program *program, const struct verb *verb);
#define verb_for_each(row, program)                                    \
	for (const struct verb *row = verb_next((program), NULL); row; \
	     row = verb_next((program), row))

/* The verb's options; a table with no rows if it has none. */
const struct option *verb_options(const struct verb *verb);

/* The verb that argv starts with, or NULL; *ret_words: how many words it took (1, or 2 with a noun). */
const struct verb *verb_find(const struct verb_program *program, int argc, char **argv,
			     int *ret_words);
/* "unknown command" with the nearest one. Returns -EINVAL. */
int verb_unknown(const struct verb_program *program, int argc, char **argv, struct err *err);

/* True if this is the first row of its noun, or a row without a noun. */
int verb_is_first(const struct verb_program *program, const struct verb *verb);
/* True if some row has this noun. */
int verb_is_noun(const struct verb_program *program, const char *word);

/* "run", or "image import". */
void verb_put_name(struct buf *out, const struct verb *verb);
/* "brig run [OPTION...] IMAGE [COMMAND [ARG...]]" */
void verb_put_usage(struct buf *out, const struct verb_program *program, const struct verb *verb);

/*
 * Finds the verb that argv begins with, reads its options (each has --help too, which is answered) and
 * counts its arguments, then calls it: call(verb, context, values, args, err). Returns what that returns.
 */
typedef int (*verb_call_fn)(const struct verb *verb, const void *context, const void *values,
			    char **args, struct err *err);
int verb_dispatch(const struct verb_program *program, int argc, char **argv, verb_call_fn call,
		  const void *context, struct err *err);

#endif
