// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/record.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

struct inner {
	char *word;
	int64_t number;
};

struct part {
	char *word;
	uint64_t number;
	int64_t level;
	int has_level;
};

struct entry {
	char *key;
	char *word;
};

struct thing {
	char *name;
	char **list;
	int64_t size;
	int flag;
	int color;
	struct inner inner;
	struct part *parts;
	size_t n_parts;
	uint64_t *ids;
	size_t n_ids;
	struct record_pair *notes;
	size_t n_notes;
	struct entry *entries;
	size_t n_entries;
};

static const char *const colors[] = { "red", "green", NULL };

static const struct record_field inner_fields[] = {
	RECORD_FIELD(RECORD_STRING, struct inner, word),
	RECORD_FIELD(RECORD_INT, struct inner, number),
	RECORD_END,
};

static const struct record_field part_fields[] = {
	{ .key = "word",
	  .type = RECORD_STRING,
	  .offset = offsetof(struct part, word),
	  .required = 1 },
	RECORD_FIELD(RECORD_UINT, struct part, number),
	{ .key = "level",
	  .type = RECORD_INT,
	  .offset = offsetof(struct part, level),
	  .min = -5,
	  .max = 7,
	  .present = offsetof(struct part, has_level) },
	RECORD_END,
};

static const struct record_field entry_fields[] = {
	RECORD_FIELD(RECORD_STRING, struct entry, word),
	RECORD_END,
};

static const struct record_field thing_fields[] = {
	RECORD_FIELD(RECORD_STRING, struct thing, name),
	RECORD_FIELD(RECORD_STRV, struct thing, list),
	RECORD_FIELD(RECORD_INT, struct thing, size),
	RECORD_FIELD(RECORD_BOOL, struct thing, flag),
	{ .key = "color",
	  .type = RECORD_ENUM,
	  .offset = offsetof(struct thing, color),
	  .names = colors },
	{ .key = "inner",
	  .type = RECORD_STRUCT,
	  .offset = offsetof(struct thing, inner),
	  .fields = inner_fields },
	{ .key = "parts",
	  .type = RECORD_ARRAY,
	  .offset = offsetof(struct thing, parts),
	  .count = offsetof(struct thing, n_parts),
	  .size = sizeof(struct part),
	  .fields = part_fields },
	{ .key = "ids",
	  .type = RECORD_UINTV,
	  .offset = offsetof(struct thing, ids),
	  .count = offsetof(struct thing, n_ids),
	  .max = 1000 },
	{ .key = "notes",
	  .type = RECORD_MAP,
	  .offset = offsetof(struct thing, notes),
	  .count = offsetof(struct thing, n_notes) },
	{ .key = "entries",
	  .type = RECORD_DICT,
	  .offset = offsetof(struct thing, entries),
	  .count = offsetof(struct thing, n_entries),
	  .size = sizeof(struct entry),
	  .fields = entry_fields },
	RECORD_END,
};

static const struct record_table thing_table = {
	.what = "thing record",
	.version = 2,
	.fields = thing_fields,
};

static int load(const char *text, struct thing *thing, struct err *err)
{
	_cleanup_json_ struct json *json = NULL;

	assert_int_equal(json_parse(text, strlen(text), "text", &json, err), 0);
	return record_from_json(&thing_table, json, thing, err);
}

static void a_record_comes_back_as_it_was_saved(void **state _unused_)
{
	char folder[] = "/tmp/brig-test-record-XXXXXX";
	struct thing thing = { 0 }, again = { 0 };
	struct err err = ERR_INIT;
	struct stat st;
	int fd;

	assert_non_null(mkdtemp(folder));
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	thing.name = mem_strdup("a \"name\"\n");
	strv_add(&thing.list, "one");
	strv_add(&thing.list, "");
	thing.size = INT64_MAX;
	thing.flag = 1;
	thing.color = 1;
	thing.inner.word = mem_strdup("w");
	thing.inner.number = -3;
	assert_int_equal(record_save(&thing_table, &thing, fd, "thing.json", 1, &err), 0);
	assert_int_equal(fstatat(fd, "thing.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(record_load(&thing_table, fd, "thing.json", &again, &err), 0);
	assert_string_equal(again.name, thing.name);
	assert_int_equal(strv_len(again.list), 2);
	assert_string_equal(again.list[1], "");
	assert_true(again.size == INT64_MAX);
	assert_int_equal(again.flag, 1);
	assert_int_equal(again.color, 1);
	assert_string_equal(again.inner.word, "w");
	assert_int_equal(again.inner.number, -3);
	record_release(&thing_table, &thing);
	record_release(&thing_table, &again);
	unlinkat(fd, "thing.json", 0);
	close(fd);
	rmdir(folder);
}

static void arrays_and_maps_come_back_too(void **state _unused_)
{
	static const char text[] = "{\"version\":2,\"parts\":[{\"word\":\"a\",\"number\":"
				   "18446744073709551615},{\"word\":\"b\",\"level\":0}],"
				   "\"ids\":[7,8],\"entries\":{\"eth0\":{\"word\":\"w\"}},"
				   "\"notes\":{\"k\":\"v\",\"\":\"\"}}";
	struct thing first = { 0 }, thing = { 0 };
	_cleanup_json_ struct json *json = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(load(text, &first, &err), 0);
	json = record_to_json(&thing_table, &first);
	assert_int_equal(record_from_json(&thing_table, json, &thing, &err), 0);
	assert_int_equal(thing.n_parts, 2);
	assert_true(thing.parts[0].number == UINT64_MAX);
	assert_false(thing.parts[0].has_level);
	assert_string_equal(thing.parts[1].word, "b");
	assert_true(thing.parts[1].has_level);
	assert_int_equal(thing.n_ids, 2);
	assert_int_equal(thing.ids[1], 8);
	assert_int_equal(thing.n_entries, 1);
	assert_string_equal(thing.entries[0].key, "eth0");
	assert_string_equal(thing.entries[0].word, "w");
	assert_int_equal(thing.n_notes, 2);
	assert_string_equal(thing.notes[0].key, "k");
	assert_string_equal(thing.notes[0].value, "v");
	record_release(&thing_table, &first);
	record_release(&thing_table, &thing);
	assert_int_equal(thing.n_parts + thing.n_ids + thing.n_notes, 0);
}

static void an_older_version_keeps_the_defaults_of_new_members(void **state _unused_)
{
	struct thing thing = { .size = 77, .color = 1 };
	struct err err = ERR_INIT;

	assert_int_equal(load("{\"version\":1,\"name\":\"x\",\"gone\":[{}]}", &thing, &err), 0);
	assert_string_equal(thing.name, "x");
	assert_int_equal(thing.size, 77);
	assert_int_equal(thing.color, 1);
	record_release(&thing_table, &thing);
}

static void a_version_that_is_newer_or_missing_is_refused(void **state _unused_)
{
	static const char *const bad[] = { "{\"version\":3}",
					   "{}",
					   "{\"version\":0}",
					   "{\"version\":-1}",
					   "{\"version\":\"1\"}",
					   "[]",
					   "{\"version\":99999999999999999999}" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct thing thing = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(load(bad[i], &thing, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "thing record"));
	}
}

static void a_newer_version_says_to_upgrade(void **state _unused_)
{
	struct thing thing = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(load("{\"version\":3}", &thing, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "upgrade brig"));
}

static void a_value_of_a_wrong_type_is_refused_by_name(void **state _unused_)
{
	static const char *const bad[][2] = {
		{ "name", "1" },
		{ "name", "[]" },
		{ "list", "\"x\"" },
		{ "list", "[1]" },
		{ "list", "[null]" },
		{ "size", "\"1\"" },
		{ "size", "1.5" },
		{ "flag", "1" },
		{ "color", "\"blue\"" },
		{ "color", "0" },
		{ "inner", "[]" },
		{ "inner", "\"x\"" },
		{ "inner.number", "{\"number\":\"x\"}" },
		{ "size", "9223372036854775808" },
		{ "list[1]", "[\"a\",1]" },
		{ "parts", "{}" },
		{ "parts[0]", "[1]" },
		{ "parts[0].word is missing", "[{}]" },
		{ "parts[1].number", "[{\"word\":\"a\"},{\"word\":\"a\",\"number\":-1}]" },
		{ "parts[0].level must be a whole number from -5 to 7",
		  "[{\"word\":\"a\",\"level\":8}]" },
		{ "ids", "1" },
		{ "ids[2]", "[1,2,1001]" },
		{ "entries.x.word", "{\"w\":{},\"x\":{\"word\":1}}" },
		{ "entries.x", "{\"x\":1}" },
		{ "entries", "[]" },
		{ "notes", "[]" },
		{ "notes.b", "{\"a\":\"x\",\"b\":1}" },
		{ "color must be one of 'red', 'green'", "\"blue\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *text =
			mem_printf("{\"version\":2,\"%.*s\":%s}", (int)strcspn(bad[i][0], ".[ "),
				   bad[i][0], bad[i][1]);
		struct thing thing = { 0 };
		struct err err = ERR_INIT;

		if (load(text, &thing, &err) != -EINVAL)
			fail_msg("accepted: %s", text);
		assert_non_null(strstr(err.msg, bad[i][0]));
		record_release(&thing_table, &thing);
	}
}

static void loading_twice_leaks_nothing_and_keeps_the_last(void **state _unused_)
{
	struct thing thing = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(load("{\"version\":2,\"name\":\"a\",\"list\":[\"x\"]}", &thing, &err), 0);
	assert_int_equal(load("{\"version\":2,\"name\":\"b\",\"list\":[]}", &thing, &err), 0);
	assert_string_equal(thing.name, "b");
	assert_int_equal(strv_len(thing.list), 0);
	record_release(&thing_table, &thing);
}

static void a_released_record_is_empty(void **state _unused_)
{
	struct thing thing = { .size = 1, .flag = 1, .color = 1, .inner.number = 1 };
	static const struct thing empty;

	thing.name = mem_strdup("x");
	record_release(&thing_table, &thing);
	assert_memory_equal(&thing, &empty, sizeof(thing));
}

static void a_broken_file_is_named_in_the_error(void **state _unused_)
{
	char path[] = "/tmp/brig-test-record-XXXXXX";
	struct thing thing = { 0 };
	struct err err = ERR_INIT;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "{\"version\":2,", 13), 13);
	close(fd);
	assert_int_equal(record_load(&thing_table, AT_FDCWD, path, &thing, &err), -EINVAL);
	assert_non_null(strstr(err.msg, path));
	unlink(path);
	assert_int_equal(record_load(&thing_table, AT_FDCWD, path, &thing, &err), -ENOENT);
	assert_int_equal(record_save(&thing_table, &thing, AT_FDCWD, "/nowhere/x", 0, &err),
			 -ENOENT);
	assert_non_null(strstr(err.msg, "/nowhere/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_comes_back_as_it_was_saved),
		cmocka_unit_test(arrays_and_maps_come_back_too),
		cmocka_unit_test(an_older_version_keeps_the_defaults_of_new_members),
		cmocka_unit_test(a_version_that_is_newer_or_missing_is_refused),
		cmocka_unit_test(a_newer_version_says_to_upgrade),
		cmocka_unit_test(a_value_of_a_wrong_type_is_refused_by_name),
		cmocka_unit_test(loading_twice_leaks_nothing_and_keeps_the_last),
		cmocka_unit_test(a_released_record_is_empty),
		cmocka_unit_test(a_broken_file_is_named_in_the_error),
	};

	return cmocka_run_group_tests_name("base/record", tests, NULL, NULL);
}
