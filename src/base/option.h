/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_OPTION_H
#define BASE_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

/*
 * Command lines as tables. A verb's table row says what it takes, what it is for and where the value
 * goes; parsing, help, man page and completion all come from the rows.
 *
 * Accepted forms: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, -n=VALUE, -abc for flags, "--" ends
 * options.
 */
enum option_type {
	OPTION_FLAG,	 /* int: 1 when given; --name=true|false too */
	OPTION_STRING,	 /* char *, owned, the last one wins */
	OPTION_STRV,	 /* char **, owned, repeatable */
	OPTION_SIZE,	 /* int64_t, bytes */
	OPTION_RATE,	 /* int64_t, bits a second */
	OPTION_MILLI,	 /* int64_t, thousandths */
	OPTION_DURATION, /* int64_t, milliseconds */
	OPTION_INT,	 /* int64_t, min..max of the row */
	OPTION_SIGNAL,	 /* int */
	OPTION_CHOICE,	 /* int, index in choices */
	OPTION_PAIR, /* char **, owned: NAME=VALUE with the option's name, of all that share it */
};

struct option {
	const char *name; /* without dashes */
	char letter;	  /* 0: none */
	enum option_type type;
	const char *metavar;	    /* "NAME", "SIZE"; NULL for flags */
	const char *help;	    /* one line, no full stop */
	size_t offset;		    /* of the member in the verb's options struct */
	const char *const *choices; /* OPTION_CHOICE: NULL-terminated */
	int64_t min, max;	    /* OPTION_INT; both 0: 0..INT64_MAX */
	const char *complete;	    /* what the value completes to: see struct verb */
	int hidden;
};

#define OPTION_END           \
	{                    \
		.name = NULL \
	}

/* How a verb treats arguments. */
enum option_mode {
	OPTION_MIXED, /* options may stand after positional arguments */
	OPTION_LEAD,  /* the first positional ends options (run IMAGE CMD -x) */
	/* To be added: -name is --name where there is such an option, as programs in Go have it. */
	OPTION_ONE_DASH = 1 << 4,
};

/*
 * Parses argv (after the verb) into the struct at values by the table; *ret_args gets the positional
 * ones, pointing into argv. An unknown option is named with the nearest known one.
 */
int option_parse(const struct option *table, enum option_mode mode, int argc, char **argv,
		 void *values, char ***ret_args, struct err *err);
/* Frees what option_parse() put into values. */
void option_release(const struct option *table, void *values);

/* "-n, --name NAME" into text of size bytes. */
const char *option_usage(const struct option *option, char *text, size_t size);

#endif
