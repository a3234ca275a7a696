// SPDX-License-Identifier: GPL-2.0-or-later
/* The real tables, and what `spec` writes. */
#include "oci/oci.h"
#include "container/config.h"
#include "oci/verb.h"

#include "root.h"

#include <ctype.h>

static void every_row_and_option_is_whole(void **state _unused_)
{
	verb_for_each(verb, &oci_program)
	{
		int letters[128] = { 0 };

		if (!verb->summary || !verb->group || !verb->run_oci || !isupper(verb->summary[0]))
			fail_msg("%s lacks something", verb->name);
		if (verb->max_args >= 0 && verb->min_args > verb->max_args)
			fail_msg("%s: its bounds cannot be met", verb->name);
		for (const struct option *o = verb_options(verb); o->name; o++) {
			if (!o->help || !*o->help || o->help[strlen(o->help) - 1] == '.')
				fail_msg("%s --%s: its help", verb->name, o->name);
			if ((o->type == OPTION_FLAG) != !o->metavar)
				fail_msg("%s --%s: its value's name", verb->name, o->name);
			if (o->letter && letters[(unsigned char)o->letter & 127]++)
				fail_msg("%s -%c twice", verb->name, o->letter);
			if (o->offset >= verb->values_size)
				fail_msg("%s --%s: no place for its value", verb->name, o->name);
		}
	}
}

static int write_spec(const struct root *root, int rootless)
{
	_cleanup_strv_ char **argv = NULL;

	strv_add(&argv, "brig-oci");
	strv_add(&argv, "spec");
	strv_add_printf(&argv, "--bundle=%s", root->folder);
	if (rootless)
		strv_add(&argv, "--rootless");
	return oci_main((int)strv_len(argv), argv);
}

static void load_spec(const struct root *root, struct config *ret)
{
	_cleanup_free_ char *path = mem_printf("%s/config.json", root->folder);
	struct err err = ERR_INIT;

	if (config_load(AT_FDCWD, path, ret, &err) < 0)
		fail_msg("%s", err.msg);
	unlink(path);
}

static int has_namespace(const struct config *config, const char *type)
{
	for (size_t i = 0; i < config->on_linux.n_namespaces; i++) {
		if (!strcmp(config->on_linux.namespaces[i].type, type))
			return 1;
	}
	return 0;
}

static void spec_writes_what_we_read_back(void **state)
{
	_cleanup_config_ struct config config = { 0 };
	struct root *root = *state;

	assert_int_equal(write_spec(root, 0), 0);
	load_spec(root, &config);
	assert_string_equal(config.version, OCI_VERSION);
	assert_string_equal(config.root, "rootfs");
	assert_true(config.root_readonly && config.process.terminal);
	assert_string_equal(config.process.args[0], "sh");
	assert_int_equal(strv_len(config.process.capabilities.bounding), 3);
	assert_null(config.process.capabilities.inheritable);
	assert_true(config.process.no_new_privileges);
	assert_true(config.process.rlimits[0].hard == 1024);
	assert_int_equal(config.n_mounts, 7);
	assert_string_equal(config.mounts[1].options[1], "strictatime");
	assert_true(has_namespace(&config, "pid") && has_namespace(&config, "network"));
	assert_false(has_namespace(&config, "user"));
	assert_int_equal(config.on_linux.resources.n_devices, 1);
	assert_false(config.on_linux.resources.devices[0].allow);
	assert_false(config.on_linux.resources.memory.has_limit);
	assert_false(config.has_vm);
}

static void spec_of_a_user_maps_the_user_alone(void **state)
{
	_cleanup_config_ struct config config = { 0 };
	struct root *root = *state;

	assert_int_equal(write_spec(root, 1), 0);
	load_spec(root, &config);
	assert_true(has_namespace(&config, "user"));
	assert_false(has_namespace(&config, "network"));
	assert_int_equal(config.on_linux.n_uid_maps, 1);
	assert_true(config.on_linux.uid_maps[0].host == geteuid());
	assert_true(config.on_linux.uid_maps[0].size == 1);
	assert_int_equal(config.on_linux.resources.n_devices, 0);
}

static void spec_leaves_what_is_there(void **state)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct root *root = *state;

	path = mem_printf("%s/config.json", root->folder);
	assert_int_equal(file_replace(AT_FDCWD, path, "mine", 4, 0600, 0), 0);
	assert_int_equal(write_spec(root, 0), 1);
	assert_int_equal(file_read(AT_FDCWD, path, 100, &text, NULL), 0);
	assert_string_equal(text, "mine");
}

#define OCI_TEST(fn) cmocka_unit_test_setup_teardown(fn, root_setup, root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_and_option_is_whole),
		OCI_TEST(spec_writes_what_we_read_back),
		OCI_TEST(spec_of_a_user_maps_the_user_alone),
		OCI_TEST(spec_leaves_what_is_there),
	};

	return cmocka_run_group_tests_name("oci/oci", tests, NULL, NULL);
}
