/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_RECORD_H
#define BASE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

/*
 * A C struct described by a table of fields, and as a JSON object. Unknown keys are kept out, absent ones
 * (and null) leave the member as it is, so set defaults first; a wrong value is an error that says where it
 * stands: "process.rlimits[0].soft must be a whole number".
 */
enum record_type {
	RECORD_STRING, /* char *, owned */
	RECORD_STRV,   /* char **, owned */
	RECORD_INT,    /* int64_t */
	RECORD_UINT,   /* uint64_t */
	RECORD_BOOL,   /* int */
	RECORD_ENUM,   /* int, by name from names[] */
	RECORD_STRUCT, /* a nested struct described by fields */
	RECORD_ARRAY,  /* pointer to structs described by fields, owned */
	RECORD_DICT, /* the same of an object's members; an element begins with a char *, its key */
	RECORD_UINTV, /* uint64_t *, owned */
	RECORD_MAP,   /* struct record_pair *, owned: an object of strings */
};

struct record_pair {
	char *key, *value;
};

struct record_field {
	const char *key;
	enum record_type type;
	int required;
	size_t offset;
	const char *const *names;	   /* RECORD_ENUM: NULL-terminated, index = value */
	const struct record_field *fields; /* RECORD_STRUCT, _ARRAY, _DICT: ends with a NULL key */
	size_t size;			   /* RECORD_ARRAY, _DICT: of an element */
	size_t count;	  /* RECORD_ARRAY, _DICT, _UINTV, _MAP: offset of their size_t number */
	int64_t min, max; /* RECORD_INT: both 0: any; RECORD_UINT: max 0: any */
	size_t present;	  /* offset of an int that becomes 1 with a value; 0: of none */
};

#define RECORD_FIELD(kind, type_, member)                                         \
	{                                                                         \
		.key = #member, .type = (kind), .offset = offsetof(type_, member) \
	}
#define RECORD_END          \
	{                   \
		.key = NULL \
	}

/* Documents of others. On failure the record may be partly filled; release it as usual. */
int record_read(const struct record_field *fields, const struct json *json, void *record,
		struct err *err);
struct json *record_write(const struct record_field *fields, const void *record);
/* Frees what is owned, and zeroes the members. */
void record_clear(const struct record_field *fields, void *record);

/* Versioned records on disk: the object has a "version" member too; one newer than ours is an error. */
struct record_table {
	const char *what; /* "instance record", for messages */
	int version;
	const struct record_field *fields;
};

struct json *record_to_json(const struct record_table *table, const void *record);
/* On failure the record may be partly filled; release it as usual. */
int record_from_json(const struct record_table *table, const struct json *json, void *record,
		     struct err *err);
void record_release(const struct record_table *table, void *record);

/* Atomic and, if durable, fsynced; see file_replace(). */
int record_save(const struct record_table *table, const void *record, int dirfd, const char *path,
		int durable, struct err *err);
/* Room for a record somewhat larger than this one, to be saved on a full disk; see file_spare(). */
int record_spare(const struct record_table *table, const void *record, int dirfd, const char *path,
		 struct err *err);
int record_load(const struct record_table *table, int dirfd, const char *path, void *record,
		struct err *err);

#endif
