// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/record.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <string.h>

/* A record holds names, options and an environment; more than this is no record of ours. */
#define RECORD_SIZE_MAX (4U << 20)
/* A run's end is noted with an error at most, and a setting changed. */
#define RECORD_SPARE_MORE 8192

/* Where in the document something stands, from the inside out. */
struct record_where {
	const struct record_where *up;
	const char *key; /* NULL: element `index` of an array */
	size_t index;
};

static void *record_at(const void *record, const struct record_field *field)
{
	return (char *)(uintptr_t)record + field->offset;
}

static size_t *record_count(const void *record, const struct record_field *field)
{
	return (size_t *)(void *)((char *)(uintptr_t)record + field->count);
}

static int *record_present(const void *record, const struct record_field *field)
{
	return (int *)(void *)((char *)(uintptr_t)record + field->present);
}

static void *record_element(const struct record_field *field, const void *elements, size_t i)
{
	return (char *)(uintptr_t)elements + i * field->size;
}

/* Out. */

static struct json *record_array_to_json(const struct record_field *field, const void *elements,
					 size_t n)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < n; i++)
		json_array_add(array,
			       record_write(field->fields, record_element(field, elements, i)));
	return array;
}

static struct json *record_dict_to_json(const struct record_field *field, const void *elements,
					size_t n)
{
	struct json *object = json_new_object();

	for (size_t i = 0; i < n; i++) {
		const void *element = record_element(field, elements, i);

		json_object_add(object, *(char *const *)element,
				record_write(field->fields, element));
	}
	return object;
}

static struct json *record_uints_to_json(const uint64_t *values, size_t n)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < n; i++)
		json_array_add(array, json_new_uint(values[i]));
	return array;
}

static struct json *record_map_to_json(const struct record_pair *pairs, size_t n)
{
	struct json *object = json_new_object();

	for (size_t i = 0; i < n; i++)
		json_object_add(object, pairs[i].key, json_new_string(pairs[i].value));
	return object;
}

static struct json *record_field_to_json(const struct record_field *field, const void *record)
{
	const void *at = record_at(record, field);

	switch (field->type) {
	case RECORD_STRING:
		return json_new_string(*(char *const *)at);
	case RECORD_STRV:
		return json_new_strv(*(char **const *)at);
	case RECORD_INT:
		return json_new_int(*(const int64_t *)at);
	case RECORD_UINT:
		return json_new_uint(*(const uint64_t *)at);
	case RECORD_BOOL:
		return json_new_bool(*(const int *)at);
	case RECORD_ENUM:
		return json_new_string(field->names[*(const int *)at]);
	case RECORD_STRUCT:
		return record_write(field->fields, at);
	case RECORD_ARRAY:
		return record_array_to_json(field, *(void *const *)at,
					    *record_count(record, field));
	case RECORD_DICT:
		return record_dict_to_json(field, *(void *const *)at, *record_count(record, field));
	case RECORD_UINTV:
		return record_uints_to_json(*(uint64_t *const *)at, *record_count(record, field));
	case RECORD_MAP:
		return record_map_to_json(*(struct record_pair *const *)at,
					  *record_count(record, field));
	}
	return NULL;
}

struct json *record_write(const struct record_field *fields, const void *record)
{
	struct json *object = json_new_object();

	for (const struct record_field *f = fields; f->key; f++) {
		if (!f->present || *record_present(record, f))
			json_object_add(object, f->key, record_field_to_json(f, record));
	}
	return object;
}

struct json *record_to_json(const struct record_table *table, const void *record)
{
	struct json *object = record_write(table->fields, record);

	json_object_add(object, "version", json_new_int(table->version));
	return object;
}

/* Release. */

static void record_clear_array(const struct record_field *field, void *elements, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		void *element = record_element(field, elements, i);

		if (field->type == RECORD_DICT)
			free(*(char **)element);
		record_clear(field->fields, element);
	}
	free(elements);
}

static void record_clear_map(struct record_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(pairs[i].key);
		free(pairs[i].value);
	}
	free(pairs);
}

static void record_clear_field(const struct record_field *field, void *record)
{
	void *at = record_at(record, field);

	switch (field->type) {
	case RECORD_STRING:
		free(take_ptr(*(char **)at));
		break;
	case RECORD_STRV:
		*(char ***)at = strv_free(*(char ***)at);
		break;
	case RECORD_INT:
	case RECORD_UINT:
		*(uint64_t *)at = 0;
		break;
	case RECORD_BOOL:
	case RECORD_ENUM:
		*(int *)at = 0;
		break;
	case RECORD_STRUCT:
		record_clear(field->fields, at);
		break;
	case RECORD_ARRAY:
	case RECORD_DICT:
		record_clear_array(field, take_ptr(*(void **)at), *record_count(record, field));
		break;
	case RECORD_UINTV:
		free(take_ptr(*(uint64_t **)at));
		break;
	case RECORD_MAP:
		record_clear_map(take_ptr(*(struct record_pair **)at),
				 *record_count(record, field));
		break;
	}
	if (field->count)
		*record_count(record, field) = 0;
	if (field->present)
		*record_present(record, field) = 0;
}

void record_clear(const struct record_field *fields, void *record)
{
	for (const struct record_field *f = fields; f->key; f++)
		record_clear_field(f, record);
}

void record_release(const struct record_table *table, void *record)
{
	record_clear(table->fields, record);
}

/* In. */

static void record_say_where(const struct record_where *where, struct buf *path)
{
	if (!where)
		return;
	record_say_where(where->up, path);
	if (where->key)
		buf_printf(path, "%s%s", path->len ? "." : "", where->key);
	else
		buf_printf(path, "[%zu]", where->index);
}

static int record_wrong(const struct record_where *where, const char *what, struct err *err)
{
	_cleanup_buf_ struct buf path = BUF_INIT;

	record_say_where(where, &path);
	return err_set(err, -EINVAL, "%s %s", path.len ? path.data : "it", what);
}

static int record_not_in_range(const struct record_field *field, const struct record_where *where,
			       struct err *err)
{
	char what[96];

	snprintf(what, sizeof(what), "must be a whole number from %lld to %lld",
		 (long long)field->min, (long long)field->max);
	return record_wrong(where, what, err);
}

static int record_int_from_json(const struct record_field *field, const struct json *json,
				const struct record_where *where, int64_t *ret, struct err *err)
{
	int64_t value = json_int(json);

	if (json_kind(json) != JSON_INT || json_uint(json) > INT64_MAX)
		return record_wrong(where, "must be a whole number", err);
	if ((field->min || field->max) && (value < field->min || value > field->max))
		return record_not_in_range(field, where, err);
	*ret = value;
	return 0;
}

static int record_uint_from_json(const struct record_field *field, const struct json *json,
				 const struct record_where *where, uint64_t *ret, struct err *err)
{
	if (json_kind(json) != JSON_INT || json_int(json) < 0)
		return record_wrong(where, "must be a whole number that is not negative", err);
	if (field->max && json_uint(json) > (uint64_t)field->max)
		return record_not_in_range(field, where, err);
	*ret = json_uint(json);
	return 0;
}

static int record_enum_from_json(const struct record_field *field, const struct json *json,
				 const struct record_where *where, int *ret, struct err *err)
{
	_cleanup_buf_ struct buf what = BUF_INIT;
	const char *s = json_string(json);

	buf_add_str(&what, "must be one of");
	for (int i = 0; field->names[i]; i++) {
		if (s && !strcmp(field->names[i], s)) {
			*ret = i;
			return 0;
		}
		buf_printf(&what, "%s '%s'", i ? "," : "", field->names[i]);
	}
	return record_wrong(where, what.data, err);
}

static int record_strv_from_json(const struct json *json, const struct record_where *where,
				 char ***ret, struct err *err)
{
	size_t n = json_array_len(json);
	_cleanup_strv_ char **v = NULL;

	if (json_kind(json) != JSON_ARRAY)
		return record_wrong(where, "must be an array of strings", err);
	v = n ? mem_zalloc((n + 1) * sizeof(*v)) : NULL;
	for (size_t i = 0; i < n; i++) {
		struct record_where element = { .up = where, .index = i };
		const char *s = json_string(json_array_at(json, i));

		if (!s)
			return record_wrong(&element, "must be a string", err);
		v[i] = mem_strdup(s);
	}
	strv_free(*ret);
	*ret = take_ptr(v);
	return 0;
}

static int record_fields_from_json(const struct record_field *fields, const struct json *json,
				   const struct record_where *where, void *record, struct err *err);

static int record_array_from_json(const struct record_field *field, const struct json *json,
				  const struct record_where *where, void *record, struct err *err)
{
	size_t n = json_array_len(json), *count = record_count(record, field);
	void **elements = record_at(record, field);
	int r = 0;

	if (json_kind(json) != JSON_ARRAY)
		return record_wrong(where, "must be an array", err);
	record_clear_field(field, record);
	*elements = mem_zalloc((n + 1) * field->size);
	for (; *count < n && r == 0; ++*count) {
		struct record_where element = { .up = where, .index = *count };

		r = record_fields_from_json(field->fields, json_array_at(json, *count), &element,
					    record_element(field, *elements, *count), err);
	}
	return r;
}

static int record_uints_from_json(const struct record_field *field, const struct json *json,
				  const struct record_where *where, void *record, struct err *err)
{
	size_t n = json_array_len(json), *count = record_count(record, field);
	uint64_t **values = record_at(record, field);
	int r = 0;

	if (json_kind(json) != JSON_ARRAY)
		return record_wrong(where, "must be an array of whole numbers", err);
	record_clear_field(field, record);
	*values = mem_zalloc((n + 1) * sizeof(**values));
	for (; *count < n && r == 0; ++*count) {
		struct record_where element = { .up = where, .index = *count };

		r = record_uint_from_json(field, json_array_at(json, *count), &element,
					  &(*values)[*count], err);
	}
	return r;
}

/* An object whose members become elements. */
struct record_members {
	const struct record_field *field;
	const struct record_where *where;
	void **elements;
	size_t *count;
	struct err *err;
};

static int record_members_from_json(const struct record_field *field, const struct json *json,
				    const struct record_where *where, void *record,
				    int (*each)(const char *key, struct json *value, void *ctx),
				    struct err *err)
{
	struct record_members members = {
		.field = field,
		.where = where,
		.elements = record_at(record, field),
		.count = record_count(record, field),
		.err = err,
	};

	if (json_kind(json) != JSON_OBJECT)
		return record_wrong(where, "must be an object", err);
	record_clear_field(field, record);
	return json_object_each(json, each, &members);
}

static int record_dict_member(const char *key, struct json *value, void *ctx)
{
	struct record_members *members = ctx;
	size_t size = members->field->size;
	struct record_where member = { .up = members->where, .key = key };
	void *element;

	*members->elements = mem_realloc(*members->elements, *members->count + 1, size);
	element = record_element(members->field, *members->elements, (*members->count)++);
	memset(element, 0, size);
	*(char **)element = mem_strdup(key);
	return record_fields_from_json(members->field->fields, value, &member, element,
				       members->err);
}

static int record_map_member(const char *key, struct json *value, void *ctx)
{
	struct record_members *members = ctx;
	struct record_where member = { .up = members->where, .key = key };
	struct record_pair *pairs = *members->elements;

	if (!json_string(value))
		return record_wrong(&member, "must be a string", members->err);
	pairs = mem_realloc(pairs, *members->count + 1, sizeof(*pairs));
	*members->elements = pairs;
	pairs[(*members->count)++] =
		(struct record_pair){ .key = mem_strdup(key),
				      .value = mem_strdup(json_string(value)) };
	return 0;
}

static int record_field_from_json(const struct record_field *field, const struct json *json,
				  const struct record_where *where, void *record, struct err *err)
{
	void *at = record_at(record, field);

	switch (field->type) {
	case RECORD_STRING:
		if (!json_string(json))
			return record_wrong(where, "must be a string", err);
		mem_replace(at, json_string(json));
		return 0;
	case RECORD_STRV:
		return record_strv_from_json(json, where, at, err);
	case RECORD_INT:
		return record_int_from_json(field, json, where, at, err);
	case RECORD_UINT:
		return record_uint_from_json(field, json, where, at, err);
	case RECORD_BOOL:
		if (json_kind(json) != JSON_BOOL)
			return record_wrong(where, "must be true or false", err);
		*(int *)at = json_truth(json);
		return 0;
	case RECORD_ENUM:
		return record_enum_from_json(field, json, where, at, err);
	case RECORD_STRUCT:
		return record_fields_from_json(field->fields, json, where, at, err);
	case RECORD_ARRAY:
		return record_array_from_json(field, json, where, record, err);
	case RECORD_UINTV:
		return record_uints_from_json(field, json, where, record, err);
	case RECORD_DICT:
		return record_members_from_json(field, json, where, record, record_dict_member,
						err);
	case RECORD_MAP:
		return record_members_from_json(field, json, where, record, record_map_member, err);
	}
	return -EINVAL;
}

static int record_fields_from_json(const struct record_field *fields, const struct json *json,
				   const struct record_where *where, void *record, struct err *err)
{
	if (json_kind(json) != JSON_OBJECT)
		return record_wrong(where, "must be an object", err);
	for (const struct record_field *f = fields; f->key; f++) {
		const struct json *value = json_get(json, f->key);
		struct record_where member = { .up = where, .key = f->key };
		int r = value ? record_field_from_json(f, value, &member, record, err) : 0;

		if (r < 0)
			return r;
		if (!value && f->required)
			return record_wrong(&member, "is missing", err);
		if (value && f->present)
			*record_present(record, f) = 1;
	}
	return 0;
}

int record_read(const struct record_field *fields, const struct json *json, void *record,
		struct err *err)
{
	return record_fields_from_json(fields, json, NULL, record, err);
}

int record_from_json(const struct record_table *table, const struct json *json, void *record,
		     struct err *err)
{
	int64_t version = json_get_int(json, "version", 0);
	int r;

	if (version < 1)
		return err_set(err, -EINVAL, "the %s has no version", table->what);
	if (version > table->version)
		return err_set(err, -EINVAL,
			       "the %s has version %lld, newer than this brig's %d: upgrade brig",
			       table->what, (long long)version, table->version);
	r = record_read(table->fields, json, record, err);
	return r < 0 ? err_wrap(err, "the %s", table->what) : 0;
}

int record_save(const struct record_table *table, const void *record, int dirfd, const char *path,
		int durable, struct err *err)
{
	_cleanup_json_ struct json *json = record_to_json(table, record);
	_cleanup_free_ char *text = json_text(json, 1);
	int r = file_replace(dirfd, path, text, strlen(text), 0600, durable);

	if (r < 0)
		return err_errno(err, r, "cannot write the %s %s", table->what, path);
	return 0;
}

int record_spare(const struct record_table *table, const void *record, int dirfd, const char *path,
		 struct err *err)
{
	_cleanup_json_ struct json *json = record_to_json(table, record);
	_cleanup_free_ char *text = json_text(json, 1);
	int r = file_spare(dirfd, path, strlen(text) + RECORD_SPARE_MORE, 0600);

	if (r < 0)
		return err_errno(err, r, "cannot reserve room for the %s %s", table->what, path);
	return 0;
}

int record_load(const struct record_table *table, int dirfd, const char *path, void *record,
		struct err *err)
{
	_cleanup_json_ struct json *json = NULL;
	int r = json_read_file(dirfd, path, RECORD_SIZE_MAX, &json, err);

	if (r < 0)
		return r;
	r = record_from_json(table, json, record, err);
	return r < 0 ? err_wrap(err, "%s", path) : 0;
}
