// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/json.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define JSON_DEPTH_MAX 64

/* struct json is json-c's object under our name; null is a NULL pointer there. */
static json_object *json_raw(const struct json *json)
{
	return (json_object *)(uintptr_t)json;
}

static struct json *json_wrap(json_object *object)
{
	return (struct json *)object;
}

static void json_tokener_freep(json_tokener **tokener)
{
	if (*tokener)
		json_tokener_free(*tokener);
}

/*
 * What json-c lets pass, in text that it accepts. It keeps the last of two equal keys, so two
 * readers of one document could see different things: each member has one colon outside strings,
 * and a document with fewer members than colons has lost some. It also takes 'single quotes', NaN,
 * Infinity, control characters in strings, and NULs in strings, which end them for every reader in
 * C.
 */
struct json_scan {
	const char *p, *end;
	size_t colons;
};

/* Moves past the string whose opening quote is at p; 0 if there is nothing in it that is not
 * allowed. */
static int json_scan_string(struct json_scan *scan)
{
	for (scan->p++; scan->p < scan->end && *scan->p != '"'; scan->p++) {
		if ((unsigned char)*scan->p < ' ')
			return -EINVAL;
		if (*scan->p != '\\')
			continue;
		if (scan->end - scan->p >= 6 && !memcmp(scan->p + 1, "u0000", 5))
			return -EINVAL;
		scan->p++;
	}
	return scan->p++ < scan->end ? 0 : -EINVAL;
}

static int json_scan(struct json_scan *scan)
{
	while (scan->p < scan->end) {
		if (*scan->p == '"') {
			if (json_scan_string(scan) < 0)
				return -EINVAL;
			continue;
		}
		if (!*scan->p || strchr("'NI", *scan->p))
			return -EINVAL;
		scan->colons += *scan->p++ == ':';
	}
	return 0;
}

static int json_add_members(const char *key _unused_, struct json *value, void *ctx);

/* All members of all objects in the value; depth is bounded by the parser. */
static size_t json_count_members(const struct json *json)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_len(json); i++)
		n += json_count_members(json_array_at(json, i));
	(void)json_object_each(json, json_add_members, &n);
	return n;
}

static int json_add_members(const char *key _unused_, struct json *value, void *ctx)
{
	*(size_t *)ctx += 1 + json_count_members(value);
	return 0;
}

/* json-c's own parse: NULL and *ret_problem, or the value. */
static struct json *json_parse_raw(const char *text, size_t len, const char **ret_problem)
{
	_cleanup_(json_tokener_freep) json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
	enum json_tokener_error problem;
	json_object *object;
	size_t used;

	if (!tokener) {
		*ret_problem = "out of memory";
		return NULL;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, text, (int)len);
	used = json_tokener_get_parse_end(tokener);
	problem = json_tokener_get_error(tokener);
	if (problem == json_tokener_continue) {
		/* A number alone ends with the text, which the tokener cannot know. */
		object = json_tokener_parse_ex(tokener, "", 1);
		used = len;
		problem = json_tokener_get_error(tokener);
	}
	*ret_problem = problem != json_tokener_success ? json_tokener_error_desc(problem)
		       : used != len		       ? "trailing bytes"
						       : NULL;
	if (!*ret_problem)
		return json_wrap(object);
	json_object_put(object);
	return NULL;
}

int json_parse(const char *text, size_t len, const char *what, struct json **ret, struct err *err)
{
	struct json_scan scan = { .p = text, .end = text + len };
	_cleanup_json_ struct json *json = NULL;
	const char *problem = NULL;

	if (len > INT_MAX)
		return err_set(err, -EFBIG, "%s is too large", what);
	json = json_parse_raw(text, len, &problem);
	if (!problem && json_scan(&scan) < 0)
		problem = "bytes that JSON does not have";
	if (!problem && scan.colons != json_count_members(json))
		problem = "a key is repeated";
	if (problem)
		return err_set(err, -EINVAL, "%s is not valid JSON: %s", what, problem);
	*ret = take_ptr(json);
	return 0;
}

int json_read_file(int dirfd, const char *path, size_t max, struct json **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = file_read(dirfd, path, max, &text, &len);

	if (r < 0)
		return err_errno(err, r, "cannot read %s", path);
	return json_parse(text, len, path, ret, err);
}

void json_free(struct json *json)
{
	json_object_put(json_raw(json));
}

enum json_kind json_kind(const struct json *json)
{
	switch (json_object_get_type(json_raw(json))) {
	case json_type_boolean:
		return JSON_BOOL;
	case json_type_int:
		return JSON_INT;
	case json_type_double:
		return JSON_DOUBLE;
	case json_type_string:
		return JSON_STRING;
	case json_type_array:
		return JSON_ARRAY;
	case json_type_object:
		return JSON_OBJECT;
	case json_type_null:
		break;
	}
	return JSON_NULL;
}

struct json *json_get(const struct json *object, const char *key)
{
	json_object *value = NULL;

	if (json_kind(object) != JSON_OBJECT ||
	    !json_object_object_get_ex(json_raw(object), key, &value))
		return NULL;
	return json_wrap(value);
}

struct json *json_get_path(const struct json *object, ...)
{
	struct json *at = json_wrap(json_raw(object));
	const char *key;
	va_list ap;

	va_start(ap, object);
	while (at && (key = va_arg(ap, const char *)))
		at = json_get(at, key);
	va_end(ap);
	return at;
}

const char *json_get_string(const struct json *object, const char *key, const char *otherwise)
{
	const char *s = json_string(json_get(object, key));

	return s ? s : otherwise;
}

int64_t json_get_int(const struct json *object, const char *key, int64_t otherwise)
{
	struct json *value = json_get(object, key);

	return json_kind(value) == JSON_INT ? json_int(value) : otherwise;
}

int json_get_bool(const struct json *object, const char *key, int otherwise)
{
	struct json *value = json_get(object, key);

	return json_kind(value) == JSON_BOOL ? json_truth(value) : otherwise;
}

char **json_get_strv(const struct json *object, const char *key)
{
	struct json *value = json_get(object, key);
	char **v = NULL;

	if (json_string(value))
		strv_add(&v, json_string(value));
	for (size_t i = 0; i < json_array_len(value); i++) {
		const char *s = json_string(json_array_at(value, i));

		if (s)
			strv_add(&v, s);
	}
	return v;
}

const char *json_string(const struct json *json)
{
	return json_kind(json) == JSON_STRING ? json_object_get_string(json_raw(json)) : NULL;
}

uint64_t json_uint(const struct json *json)
{
	return json_object_get_uint64(json_raw(json));
}

int64_t json_int(const struct json *json)
{
	return json_object_get_int64(json_raw(json));
}

int json_truth(const struct json *json)
{
	return json_object_get_boolean(json_raw(json));
}

double json_double(const struct json *json)
{
	return json_object_get_double(json_raw(json));
}

size_t json_array_len(const struct json *array)
{
	return json_kind(array) == JSON_ARRAY ? json_object_array_length(json_raw(array)) : 0;
}

struct json *json_array_at(const struct json *array, size_t i)
{
	return i < json_array_len(array) ? json_wrap(json_object_array_get_idx(json_raw(array), i))
					 : NULL;
}

int json_object_each(const struct json *object,
		     int (*each)(const char *key, struct json *value, void *ctx), void *ctx)
{
	struct json_object_iterator it, end;
	int r = 0;

	if (json_kind(object) != JSON_OBJECT)
		return 0;
	it = json_object_iter_begin(json_raw(object));
	end = json_object_iter_end(json_raw(object));
	while (!r && !json_object_iter_equal(&it, &end)) {
		r = each(json_object_iter_peek_name(&it),
			 json_wrap(json_object_iter_peek_value(&it)), ctx);
		json_object_iter_next(&it);
	}
	return r;
}

int json_object_remove(struct json *object, const char *key)
{
	if (!json_object_object_get_ex(json_raw(object), key, NULL))
		return -ENOENT;
	json_object_object_del(json_raw(object), key);
	return 0;
}

struct json *json_new_object(void)
{
	return json_wrap(json_object_new_object());
}

struct json *json_new_array(void)
{
	return json_wrap(json_object_new_array());
}

#define JSON_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

struct json *json_new_string(const char *s)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	size_t len;

	if (!s || utf8_valid(s))
		return s ? json_wrap(json_object_new_string(s)) : NULL;
	for (; *s; s += len ? len : 1) {
		len = utf8_sequence(s);
		buf_add(&buf, len ? s : JSON_REPLACEMENT, len ? len : strlen(JSON_REPLACEMENT));
	}
	return json_wrap(json_object_new_string(buf.data));
}

struct json *json_new_uint(uint64_t value)
{
	return json_wrap(json_object_new_uint64(value));
}

struct json *json_new_int(int64_t value)
{
	return json_wrap(json_object_new_int64(value));
}

struct json *json_new_double(double value)
{
	return json_wrap(json_object_new_double(value));
}

struct json *json_new_bool(int value)
{
	return json_wrap(json_object_new_boolean(value));
}

struct json *json_new_null(void)
{
	return NULL;
}

struct json *json_new_strv(char *const *v)
{
	struct json *array = json_new_array();

	strv_for_each(s, v)
		json_array_add(array, json_new_string(*s));
	return array;
}

void json_object_add(struct json *object, const char *key, struct json *value)
{
	json_object_object_add(json_raw(object), key, json_raw(value));
}

void json_array_add(struct json *array, struct json *value)
{
	json_object_array_add(json_raw(array), json_raw(value));
}

void json_array_remove(struct json *array, size_t i)
{
	json_object_array_del_idx(json_raw(array), i, 1);
}

char *json_text(const struct json *json, int pretty)
{
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE |
		    (pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
			    : JSON_C_TO_STRING_PLAIN);
	const char *text = json_object_to_json_string_ext(json_raw(json), flags);

	return mem_printf("%s%s", text ? text : "null", pretty ? "\n" : "");
}

void json_print(const struct json *json)
{
	_cleanup_free_ char *text = json_text(json, 1);

	fputs(text, stdout);
}
