/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "base/json.h"
#include "base/option.h"
#include "base/table.h"

/* What the `ls` of a noun prints: a table, JSON, or names alone, as its options say. */
struct listing_options {
	int json, quiet, no_header;
};

/* The option table of an `ls` without any of its own; and the rows, for one with more, whose values begin with them. */
extern const struct option listing_options_table[];
/* clang-format off */
#define LISTING_OPTIONS                                                                        \
	{ "json", 0, OPTION_FLAG, NULL, "print JSON", offsetof(struct listing_options, json) },    \
	{ "quiet", 'q', OPTION_FLAG, NULL, "print names only",                                     \
	  offsetof(struct listing_options, quiet) },                                               \
	{ "no-header", 0, OPTION_FLAG, NULL, "leave out the headings",                             \
	  offsetof(struct listing_options, no_header) }
/* clang-format on */

/* How a kind of thing looks in each. */
struct listing_kind {
	const char *const *headings; /* NULL-terminated */
	const char *(*name)(const void *item);
	void (*row)(const void *item, struct table *table);
	struct json *(*json)(const void *item);
};

struct listing {
	const struct listing_kind *kind;
	const struct listing_options *options;
	struct table *table;
	struct json *array;
};

void listing_init(struct listing *listing, const struct listing_kind *kind,
		  const struct listing_options *options);
void listing_release(struct listing *listing);
#define _cleanup_listing_ _cleanup_(listing_release)

void listing_add(struct listing *listing, const void *item);
/* Names are out by then. */
void listing_print(const struct listing *listing);

#endif
