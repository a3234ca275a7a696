// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/record.h"
#include "base/file.h"
#include "base/mem.h"

#include <string.h>

/* A record holds names, options and an environment; more than this is no record of ours. */
#define RECORD_SIZE_MAX (4U << 20)

static void *record_at(const void *record, const struct record_field *field)
{
	return (char *)(uintptr_t)record + field->offset;
}

static struct json *record_fields_to_json(const struct record_field *fields, const void *record);

static struct json *record_field_to_json(const struct record_field *field, const void *at)
{
	switch (field->type) {
	case RECORD_STRING:
		return json_new_string(*(char *const *)at);
	case RECORD_STRV:
		return json_new_strv(*(char **const *)at);
	case RECORD_INT:
		return json_new_int(*(const int64_t *)at);
	case RECORD_BOOL:
		return json_new_bool(*(const int *)at);
	case RECORD_ENUM:
		return json_new_string(field->names[*(const int *)at]);
	case RECORD_STRUCT:
		return record_fields_to_json(field->fields, at);
	}
	return NULL;
}

static struct json *record_fields_to_json(const struct record_field *fields, const void *record)
{
	struct json *object = json_new_object();

	for (const struct record_field *f = fields; f->key; f++)
		json_object_add(object, f->key, record_field_to_json(f, record_at(record, f)));
	return object;
}

struct json *record_to_json(const struct record_table *table, const void *record)
{
	struct json *object = record_fields_to_json(table->fields, record);

	json_object_add(object, "version", json_new_int(table->version));
	return object;
}

static int record_enum_value(const char *const *names, const char *s)
{
	for (int i = 0; s && names[i]; i++) {
		if (!strcmp(names[i], s))
			return i;
	}
	return -EINVAL;
}

static int record_strv_from_json(const struct json *json, char ***ret)
{
	char **v = NULL;

	if (json_kind(json) != JSON_ARRAY)
		return -EINVAL;
	for (size_t i = 0; i < json_array_len(json); i++) {
		const char *s = json_string(json_array_at(json, i));

		if (!s) {
			strv_free(v);
			return -EINVAL;
		}
		strv_add(&v, s);
	}
	strv_free(*ret);
	*ret = v;
	return 0;
}

static int record_fields_from_json(const struct record_field *fields, const struct json *json,
				   void *record);

static int record_field_from_json(const struct record_field *field, const struct json *json,
				  void *at)
{
	int value;

	switch (field->type) {
	case RECORD_STRING:
		if (!json_string(json))
			return -EINVAL;
		mem_replace(at, json_string(json));
		return 0;
	case RECORD_STRV:
		return record_strv_from_json(json, at);
	case RECORD_INT:
		if (json_kind(json) != JSON_INT)
			return -EINVAL;
		*(int64_t *)at = json_int(json);
		return 0;
	case RECORD_BOOL:
		if (json_kind(json) != JSON_BOOL)
			return -EINVAL;
		*(int *)at = json_truth(json);
		return 0;
	case RECORD_ENUM:
		value = record_enum_value(field->names, json_string(json));
		if (value < 0)
			return value;
		*(int *)at = value;
		return 0;
	case RECORD_STRUCT:
		if (json_kind(json) != JSON_OBJECT)
			return -EINVAL;
		return record_fields_from_json(field->fields, json, at);
	}
	return -EINVAL;
}

static int record_fields_from_json(const struct record_field *fields, const struct json *json,
				   void *record)
{
	for (const struct record_field *f = fields; f->key; f++) {
		const struct json *value = json_get(json, f->key);

		if (value && record_field_from_json(f, value, record_at(record, f)) < 0)
			return -EINVAL;
	}
	return 0;
}

int record_from_json(const struct record_table *table, const struct json *json, void *record,
		     struct err *err)
{
	int64_t version = json_get_int(json, "version", 0);

	if (version < 1)
		return err_set(err, -EINVAL, "the %s has no version", table->what);
	if (version > table->version)
		return err_set(err, -EINVAL,
			       "the %s has version %lld, newer than this brig's %d: upgrade brig",
			       table->what, (long long)version, table->version);
	for (const struct record_field *f = table->fields; f->key; f++) {
		const struct json *value = json_get(json, f->key);

		if (value && record_field_from_json(f, value, record_at(record, f)) < 0)
			return err_set(err, -EINVAL, "the %s has a wrong value for '%s'",
				       table->what, f->key);
	}
	return 0;
}

static void record_fields_release(const struct record_field *fields, void *record)
{
	for (const struct record_field *f = fields; f->key; f++) {
		void *at = record_at(record, f);

		switch (f->type) {
		case RECORD_STRING:
			free(take_ptr(*(char **)at));
			break;
		case RECORD_STRV:
			*(char ***)at = strv_free(*(char ***)at);
			break;
		case RECORD_INT:
			*(int64_t *)at = 0;
			break;
		case RECORD_BOOL:
		case RECORD_ENUM:
			*(int *)at = 0;
			break;
		case RECORD_STRUCT:
			record_fields_release(f->fields, at);
			break;
		}
	}
}

void record_release(const struct record_table *table, void *record)
{
	record_fields_release(table->fields, record);
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
