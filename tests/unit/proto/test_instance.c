// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/instance.h"
#include "base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void a_new_record_has_dockers_habits(void **state _unused_)
{
	_cleanup_instance_ struct instance instance = { 0 };

	instance_init(&instance);
	assert_int_equal(instance.kind, INSTANCE_CONTAINER);
	assert_int_equal(instance.stop_signal, SIGTERM);
	assert_int_equal(instance.stop_timeout_ms, 10000);
	assert_int_equal(instance.restart, INSTANCE_RESTART_NO);
}

static void fill(struct instance *instance)
{
	instance_init(instance);
	instance->name = mem_strdup("web");
	instance->kind = INSTANCE_VM;
	strv_add(&instance->layers, "aa");
	strv_add(&instance->argv, "sh");
	strv_add(&instance->argv, "");
	instance->memory = INT64_C(1) << 40;
	instance->tty = 1;
	instance->restart = INSTANCE_RESTART_UNLESS_STOPPED;
	instance->engine = INSTANCE_ENGINE_QEMU;
	instance->exit_code = -1;
	instance->error = mem_strdup("line \"one\"\n");
}

static void a_record_comes_back_whole(void **state _unused_)
{
	_cleanup_instance_ struct instance sent = { 0 }, instance = { 0 };
	_cleanup_json_ struct json *json = NULL, *again = NULL;
	_cleanup_free_ char *text = NULL, *text_again = NULL;
	struct err err = ERR_INIT;

	fill(&sent);
	json = record_to_json(&instance_table, &sent);
	assert_int_equal(record_from_json(&instance_table, json, &instance, &err), 0);
	again = record_to_json(&instance_table, &instance);
	text = json_text(json, 1);
	text_again = json_text(again, 1);
	assert_string_equal(text, text_again);
	assert_int_equal(instance.kind, INSTANCE_VM);
	assert_int_equal(strv_len(instance.argv), 2);
	assert_string_equal(instance.error, "line \"one\"\n");
}

static void a_record_of_an_earlier_brig_is_read(void **state _unused_)
{
	static const char text[] = "{\"version\": 1, \"name\": \"web\", \"kind\": \"vm\"}";
	_cleanup_instance_ struct instance instance = { 0 };
	_cleanup_json_ struct json *json = NULL;
	struct err err = ERR_INIT;

	instance_init(&instance);
	assert_int_equal(json_parse(text, strlen(text), "it", &json, &err), 0);
	assert_int_equal(record_from_json(&instance_table, json, &instance, &err), 0);
	assert_null(instance.kernel_args);
	assert_int_equal(instance.huge_pages, 0);
}

static void a_record_of_a_later_brig_is_refused(void **state _unused_)
{
	static const char text[] = "{\"version\": 1000, \"name\": \"web\"}";
	_cleanup_instance_ struct instance instance = { 0 };
	_cleanup_json_ struct json *json = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(json_parse(text, strlen(text), "it", &json, &err), 0);
	assert_true(record_from_json(&instance_table, json, &instance, &err) < 0);
	assert_non_null(strstr(err.msg, "instance record"));
}

static void instances_of_one_name_do_not_share_a_cgroup(void **state _unused_)
{
	_cleanup_free_ char *usual = instance_cgroup("/run/brig/web");
	_cleanup_free_ char *other = instance_cgroup("/run/other/web");
	_cleanup_free_ char *third = instance_cgroup("/run/third/web");

	assert_string_equal(usual, "brig/web");
	assert_string_equal(other, "brig/99b3c14a.run/web"); /* as tests/integration knows it */
	assert_string_not_equal(other, third);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_record_has_dockers_habits),
		cmocka_unit_test(a_record_comes_back_whole),
		cmocka_unit_test(a_record_of_an_earlier_brig_is_read),
		cmocka_unit_test(a_record_of_a_later_brig_is_refused),
		cmocka_unit_test(instances_of_one_name_do_not_share_a_cgroup),
	};

	return cmocka_run_group_tests_name("proto/instance", tests, NULL, NULL);
}
