// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/config.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define SEEDS "tests/fuzz/corpus/config/"

static void load_seed(const char *name, struct config *ret)
{
	_cleanup_free_ char *path = mem_printf(SEEDS "%s", name);
	struct err err = ERR_INIT;

	if (config_load(AT_FDCWD, path, ret, &err) < 0)
		fail_msg("%s", err.msg);
}

static void what_engines_write_is_read(void **state _unused_)
{
	static const char *const seeds[] = { "crun-spec", "runc-spec", "podman" };

	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
		_cleanup_config_ struct config config = { 0 };

		load_seed(seeds[i], &config);
		assert_true(config.has_process && config.has_root);
		assert_string_equal(config.process.args[0], "sh");
		assert_true(config.n_mounts >= 6);
		assert_string_equal(config.mounts[0].destination, "/proc");
		assert_true(config.on_linux.n_namespaces >= 5);
	}
}

static void a_process_has_all_that_the_specification_gives_it(void **state _unused_)
{
	_cleanup_config_ struct config config = { 0 };
	const struct config_process *process = &config.process;

	load_seed("whole", &config);
	assert_true(process->terminal && process->no_new_privileges);
	assert_int_equal(process->rows, 24);
	assert_int_equal(process->columns, 80);
	assert_int_equal(process->user.gid, 2);
	assert_true(process->user.has_umask && process->user.umask == 022);
	assert_int_equal(process->user.n_groups, 2);
	assert_int_equal(process->user.groups[1], 6);
	assert_string_equal(process->capabilities.ambient[0], "CAP_CHOWN");
	assert_int_equal(process->n_rlimits, 1);
	assert_true(process->rlimits[0].hard == UINT64_MAX);
	assert_true(process->has_oom_score_adj && process->oom_score_adj == -5);
	assert_int_equal(process->scheduler.nice, -3);
	assert_string_equal(process->final_cpus, "0-1");
}

static void the_rest_has_it_too(void **state _unused_)
{
	_cleanup_config_ struct config config = { 0 };
	const struct config_linux *linux_part = &config.on_linux;
	const struct config_resources *resources = &linux_part->resources;

	load_seed("whole", &config);
	assert_string_equal(config.root, "rootfs");
	assert_true(config.root_readonly);
	assert_int_equal(config.mounts[0].uid_maps[0].host, 1000);
	assert_string_equal(config.hooks[CONFIG_HOOK_POSTSTOP].list[0].path, "/bin/poststop");
	assert_int_equal(config.hooks[CONFIG_HOOK_PRESTART].list[0].timeout, 3);
	assert_int_equal(linux_part->monotonic.seconds, -4);
	assert_string_equal(linux_part->net_devices[0].name, "eth1");
	assert_string_equal(linux_part->net_devices[0].name_inside, "inside0");
	assert_null(linux_part->net_devices[1].name_inside);
	assert_false(resources->devices[0].has_major);
	assert_int_equal(resources->devices[1].minor, -1);
	assert_true(resources->memory.has_swappiness && resources->memory.swappiness == 0);
	assert_true(resources->has_pids && resources->pids == -1);
	assert_int_equal(resources->block_io.throttles[CONFIG_WRITE_IOPS].list[0].rate, 603);
	assert_string_equal(resources->rdma[0].device, "mlx5_1");
	assert_string_equal(resources->unified[0].key, "memory.high");
	assert_true(linux_part->seccomp.rules[0].arguments[0].value == UINT64_MAX);
	assert_int_equal(config.vm.memory, 256 << 20);
}

static void assert_has(const struct json *whole, const struct json *part, const char *path);

struct member {
	const struct json *whole;
	const char *path;
};

static int assert_member(const char *key, struct json *value, void *ctx)
{
	const struct member *member = ctx;
	_cleanup_free_ char *path = mem_printf("%s.%s", member->path, key);

	assert_has(json_get(member->whole, key), value, path);
	return 0;
}

static void assert_has(const struct json *whole, const struct json *part, const char *path)
{
	struct member member = { .whole = whole, .path = path };
	_cleanup_free_ char *text = NULL, *other = NULL;

	if (!whole)
		fail_msg("%s is lost", path);
	if (json_kind(part) == JSON_OBJECT) {
		(void)json_object_each(part, assert_member, &member);
		return;
	}
	for (size_t i = 0; i < json_array_len(part); i++) {
		_cleanup_free_ char *place = mem_printf("%s[%zu]", path, i);

		assert_has(json_array_at(whole, i), json_array_at(part, i), place);
	}
	if (json_kind(part) == JSON_ARRAY)
		return;
	text = json_text(part, 0);
	other = json_text(whole, 0);
	if (strcmp(text, other) != 0)
		fail_msg("%s is %s, not %s", path, other, text);
}

/* The seed has every member there is, so one that is not read, or goes to the place of another, is seen here. */
static void every_member_is_written_as_it_was_read(void **state _unused_)
{
	_cleanup_json_ struct json *json = NULL, *written = NULL;
	_cleanup_config_ struct config config = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(json_read_file(AT_FDCWD, SEEDS "whole", 1 << 20, &json, &err), 0);
	assert_int_equal(config_read(json, &config, &err), 0);
	written = config_write(&config);
	assert_has(written, json, "");
}

/* The whole document without one member, or with another value in its place. */
static int read_changed(const char *was, const char *is, struct err *err)
{
	_cleanup_free_ char *text = NULL, *changed = NULL;
	_cleanup_config_ struct config config = { 0 };
	_cleanup_json_ struct json *json = NULL;
	const char *at;
	size_t len;

	assert_int_equal(file_read(AT_FDCWD, SEEDS "whole", 1 << 20, &text, &len), 0);
	at = strstr(text, was);
	if (!at)
		fail_msg("no %s", was);
	changed = mem_printf("%.*s%s%s", (int)(at - text), text, is, at + strlen(was));
	assert_int_equal(json_parse(changed, strlen(changed), "text", &json, err), 0);
	return config_read(json, &config, err);
}

static void an_error_says_which_member_is_wrong_and_why(void **state _unused_)
{
	static const struct {
		const char *was, *is, *says;
	} cases[] = {
		{ "\"ociVersion\":\"1.3.0\",", "", "ociVersion is missing" },
		{ "\"1.3.0\"", "\"2.0.0\"", "ociVersion must be 1.x, not '2.0.0'" },
		{ "\"cwd\":\"/w\",", "", "process.cwd is missing" },
		{ "[\"sh\",\"-c\",\"x\"]", "[\"sh\",1]", "process.args[1] must be a string" },
		{ "\"uid\":1,", "\"uid\":4294967296,",
		  "process.user.uid must be a whole number from 0 to 4294967295" },
		{ "\"oomScoreAdj\":-5", "\"oomScoreAdj\":1001",
		  "process.oomScoreAdj must be a whole number from -1000 to 1000" },
		{ "\"path\":\"rootfs\",", "", "root.path is missing" },
		{ "\"timeout\":3", "\"timeout\":0",
		  "hooks.prestart[0].timeout must be a whole number from 1 to 2147483647" },
		{ "{\"type\":\"pid\"}", "{\"path\":\"x\"}", "linux.namespaces[0].type is missing" },
		{ "\"memory.high\":\"max\"", "\"memory.high\":1",
		  "linux.resources.unified.memory.high must be a string" },
		{ "\"index\":1", "\"index\":6",
		  "linux.seccomp.syscalls[0].args[0].index must be a whole number from 0 to 5" },
		{ "\"hcaHandles\":3", "\"hcaHandles\":-3",
		  "linux.resources.rdma.mlx5_1.hcaHandles must be a whole number that is not "
		  "negative" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(read_changed(cases[i].was, cases[i].is, &err), -EINVAL);
		assert_string_equal(err.msg, cases[i].says);
	}
}

static void an_absent_number_is_not_zero(void **state _unused_)
{
	_cleanup_config_resources_ struct config_resources resources = { 0 };
	_cleanup_json_ struct json *json = NULL;
	static const char text[] = "{\"memory\":{\"limit\":0},\"cpu\":{}}";
	struct err err = ERR_INIT;

	assert_int_equal(json_parse(text, strlen(text), "text", &json, &err), 0);
	assert_int_equal(config_read_resources(json, &resources, &err), 0);
	assert_true(resources.memory.has_limit);
	assert_false(resources.memory.has_swap || resources.cpu.has_shares || resources.has_pids);
}

static void a_process_comes_alone_for_exec(void **state _unused_)
{
	_cleanup_config_process_ struct config_process process = { 0 };
	_cleanup_json_ struct json *json = NULL;
	static const char text[] = "{\"args\":[\"ls\"],\"cwd\":\"/\",\"user\":{}}";
	struct err err = ERR_INIT;

	assert_int_equal(json_parse(text, strlen(text), "text", &json, &err), 0);
	assert_int_equal(config_read_process(json, &process, &err), 0);
	assert_string_equal(process.args[0], "ls");
	assert_false(process.has_capabilities);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_engines_write_is_read),
		cmocka_unit_test(a_process_has_all_that_the_specification_gives_it),
		cmocka_unit_test(the_rest_has_it_too),
		cmocka_unit_test(every_member_is_written_as_it_was_read),
		cmocka_unit_test(an_error_says_which_member_is_wrong_and_why),
		cmocka_unit_test(an_absent_number_is_not_zero),
		cmocka_unit_test(a_process_comes_alone_for_exec),
	};

	return cmocka_run_group_tests_name("container/config", tests, NULL, NULL);
}
