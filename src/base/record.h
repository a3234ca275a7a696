/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_RECORD_H
#define BASE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

/*
 * Versioned records on disk: a C struct described by a table of fields, stored as a JSON object with a
 * "version" member. Unknown keys are kept out, absent ones leave the member as it is (so set defaults
 * first), a wrong type or a version newer than ours is an error.
 */
enum record_type {
	RECORD_STRING, /* char *, owned */
	RECORD_STRV,   /* char **, owned */
	RECORD_INT,    /* int64_t */
	RECORD_BOOL,   /* int */
	RECORD_ENUM,   /* int, by name from names[] */
	RECORD_STRUCT, /* a nested struct described by fields */
};

struct record_field {
	const char *key;
	enum record_type type;
	size_t offset;
	const char *const *names;	   /* RECORD_ENUM: NULL-terminated, index = value */
	const struct record_field *fields; /* RECORD_STRUCT: ends with a NULL key */
};

#define RECORD_FIELD(kind, type_, member)                                         \
	{                                                                         \
		.key = #member, .type = (kind), .offset = offsetof(type_, member) \
	}
#define RECORD_END          \
	{                   \
		.key = NULL \
	}

struct record_table {
	const char *what; /* "instance record", for messages */
	int version;
	const struct record_field *fields;
};

struct json *record_to_json(const struct record_table *table, const void *record);
/* On failure the record may be partly filled; release it as usual. */
int record_from_json(const struct record_table *table, const struct json *json, void *record,
		     struct err *err);
/* Frees the strings and vectors, and zeroes the fields. */
void record_release(const struct record_table *table, void *record);

/* Atomic and, if durable, fsynced; see file_replace(). */
int record_save(const struct record_table *table, const void *record, int dirfd, const char *path,
		int durable, struct err *err);
int record_load(const struct record_table *table, int dirfd, const char *path, void *record,
		struct err *err);

#endif
