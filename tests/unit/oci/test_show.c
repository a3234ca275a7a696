// SPDX-License-Identifier: GPL-2.0-or-later
/* What engines read of `state` and `list`. */
#include "oci/show.h"
#include "oci/oci.h"

#include "../base/stdout.h"
#include "root.h"

static const char *const show_members[] = { "ociVersion", "id",	     "status", "bundle",
					    "rootfs",	  "created", "owner" };

static char *oci(const struct root *root, const char *line, int status)
{
	_cleanup_strv_ char **argv = NULL, **words = strv_split(line, " ");
	_cleanup_free_ char *text = NULL;
	int r;

	strv_add(&argv, "brig-oci");
	strv_add_printf(&argv, "--root=%s", root->path);
	strv_for_each(word, words)
		strv_add(&argv, *word);
	stdout_begin();
	r = oci_main((int)strv_len(argv), argv);
	text = stdout_end();
	assert_int_equal(r, status);
	return take_ptr(text);
}

static struct json *parsed(const char *text)
{
	struct json *json = NULL;
	struct err err = ERR_INIT;

	if (json_parse(text, strlen(text), "output", &json, &err) < 0)
		fail_msg("%s: %s", err.msg, text);
	return json;
}

static void state_has_what_engines_read(void **state)
{
	_cleanup_store_ struct store_container made = STORE_CONTAINER_INIT;
	_cleanup_json_ struct json *json = NULL;
	_cleanup_free_ char *text = NULL;
	struct root *root = *state;

	root_make(root, "a", getpid(), &made);
	root_write(root, "a", STORE_CONFIG,
		   "{\"ociVersion\":\"1.0.0\",\"annotations\":{\"k\":\"v\",\"e\":\"\"}}");
	root_write(root, "a", STORE_START_SOCKET, "");
	text = oci(root, "state a", 0);
	json = parsed(text);
	for (size_t i = 0; i < ARRAY_SIZE(show_members); i++)
		assert_non_null(json_string(json_get(json, show_members[i])));
	assert_string_equal(json_get_string(json, "status", ""), "created");
	assert_string_equal(json_get_string(json, "rootfs", ""), "/bundle/rootfs");
	assert_string_equal(json_get_string(json, "created", ""), made.created);
	assert_int_equal(json_get_int(json, "pid", 0), getpid());
	assert_string_equal(json_get_string(json_get(json, "annotations"), "k", ""), "v");
	assert_string_equal(json_get_string(json_get(json, "annotations"), "e", "-"), "");
}

static void a_stopped_container_has_no_pid(void **state)
{
	_cleanup_store_ struct store_container made = STORE_CONTAINER_INIT;
	_cleanup_json_ struct json *json = NULL;
	struct root *root = *state;

	root_make(root, "a", getpid(), &made);
	json = show_state(&made, STORE_STOPPED);
	assert_string_equal(json_get_string(json, "status", ""), "stopped");
	assert_int_equal(json_get_int(json, "pid", -1), 0);
}

static void list_shows_what_can_be_read(void **state)
{
	_cleanup_free_ char *table = NULL, *quiet = NULL, *text = NULL;
	_cleanup_json_ struct json *json = NULL;
	struct root *root = *state;

	for (const char *const *id = (const char *const[]){ "one", "bad", "two", NULL }; *id;
	     id++) {
		_cleanup_store_ struct store_container made = STORE_CONTAINER_INIT;

		root_make(root, *id, 0, &made);
	}
	root_write(root, "bad", STORE_STATE, "{");
	table = oci(root, "list", 0);
	assert_int_equal(strncmp(table, "ID   PID  STATUS ", 17), 0);
	assert_non_null(strstr(table, "\none  0    stopped  /bundle "));
	assert_null(strstr(table, "bad"));
	quiet = oci(root, "list -q", 0);
	assert_string_equal(quiet, "bad\none\ntwo\n");
	text = oci(root, "list --format=json", 0);
	json = parsed(text);
	assert_int_equal(json_array_len(json), 2);
	assert_string_equal(json_get_string(json_array_at(json, 1), "id", ""), "two");
}

static void list_of_nothing_is_an_empty_array(void **state)
{
	_cleanup_free_ char *text = oci(*state, "list -f json", 0),
			    *quiet = oci(*state, "list -q", 0);

	assert_string_equal(text, "[]\n");
	assert_string_equal(quiet, "");
}

#define SHOW_TEST(fn) cmocka_unit_test_setup_teardown(fn, root_setup, root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHOW_TEST(state_has_what_engines_read),
		SHOW_TEST(a_stopped_container_has_no_pid),
		SHOW_TEST(list_shows_what_can_be_read),
		SHOW_TEST(list_of_nothing_is_an_empty_array),
	};

	return cmocka_run_group_tests_name("oci/show", tests, NULL, NULL);
}
