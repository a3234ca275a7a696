/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

/*
 * JSON. The only user of json-c. Input is bounded in size and depth (64); repeated keys, trailing
 * bytes, bytes that are no UTF-8 and NULs in strings are refused. A value handed to json_object_add
 * or json_array_add belongs to its container.
 */
struct json;

enum json_kind {
	JSON_NULL,
	JSON_BOOL,
	JSON_INT,
	JSON_DOUBLE,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/* Parses text of len bytes; what: a file or thing name for the message. Caller frees. */
int json_parse(const char *text, size_t len, const char *what, struct json **ret, struct err *err);
/* Reads and parses a file of at most max bytes. */
int json_read_file(int dirfd, const char *path, size_t max, struct json **ret, struct err *err);
void json_free(struct json *json);

static inline void json_freep(struct json **json)
{
	json_free(*json);
}
#define _cleanup_json_ _cleanup_(json_freep)

enum json_kind json_kind(const struct json *json);

/* The member of an object, or NULL if there is none or it is null. */
struct json *json_get(const struct json *object, const char *key);
/* The same along a path of keys ended by NULL. */
struct json *json_get_path(const struct json *object, ...) __attribute__((sentinel));
/* The member's value, or the default if it is absent or of another type. */
const char *json_get_string(const struct json *object, const char *key, const char *otherwise);
int64_t json_get_int(const struct json *object, const char *key, int64_t otherwise);
int json_get_bool(const struct json *object, const char *key, int otherwise);
/* A member that is an array of strings (a string alone counts as one); caller frees. NULL if
 * absent. */
char **json_get_strv(const struct json *object, const char *key);

const char *json_string(const struct json *json); /* NULL if it is no string */
int64_t json_int(const struct json *json);	  /* 0 if it is no number */
uint64_t json_uint(const struct json *json);	  /* the same; 0 if it is negative */
int json_truth(const struct json *json);
double json_double(const struct json *json);

size_t json_array_len(const struct json *array);		/* 0 if it is no array */
struct json *json_array_at(const struct json *array, size_t i); /* NULL past the end */

/* Calls each(key, value, ctx) for the members in order until it returns non-zero; returns that. */
int json_object_each(const struct json *object,
		     int (*each)(const char *key, struct json *value, void *ctx), void *ctx);
int json_object_remove(struct json *object, const char *key);

struct json *json_new_object(void);
struct json *json_new_array(void);
/* NULL gives null; bytes that are no UTF-8 become U+FFFD, so what is written can be read. */
struct json *json_new_string(const char *s);
struct json *json_new_int(int64_t value);
struct json *json_new_uint(uint64_t value);
struct json *json_new_double(double value);
struct json *json_new_bool(int value);
struct json *json_new_null(void);
struct json *json_new_strv(char *const *v);
void json_object_add(struct json *object, const char *key, struct json *value);
void json_array_add(struct json *array, struct json *value);
void json_array_remove(struct json *array, size_t i);

/* Text of the value; caller frees. pretty: two-space indentation and a newline at the end. */
char *json_text(const struct json *json, int pretty);
/* The same on stdout, pretty. */
void json_print(const struct json *json);

#endif
