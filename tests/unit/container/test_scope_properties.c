// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/scope_properties.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void expect_limits(const char *text, int version, const char *expected)
{
	_cleanup_config_resources_ struct config_resources resources = { 0 };
	_cleanup_json_ struct json *json = NULL;
	_cleanup_strv_ char **properties = NULL;
	_cleanup_free_ char *joined = NULL;
	struct err err = ERR_INIT;

	if (json_parse(text, strlen(text), "text", &json, &err) < 0 ||
	    config_read_resources(json, &resources, &err) < 0)
		fail_msg("%s", err.msg);
	scope_properties_limits(&resources, version, &properties);
	joined = strv_join(properties, " ");
	assert_string_equal(joined ? joined : "", expected);
}

static void test_memory_and_swap_are_told_apart_in_version_2(void **state)
{
	static const char limits[] = "{\"memory\":{\"limit\":100,\"swap\":150,\"reservation\":50}}";

	(void)state;
	expect_limits(limits, 2, "MemoryMax=100 MemoryLow=50 MemorySwapMax=50");
	expect_limits(limits, 1, "MemoryMax=100 MemoryLow=50");
	expect_limits("{\"memory\":{\"limit\":100,\"swap\":100}}", 2,
		      "MemoryMax=100 MemorySwapMax=0");
	expect_limits("{\"memory\":{\"limit\":-1}}", 2,
		      "MemoryMax=infinity MemorySwapMax=infinity");
}

static void test_a_share_of_a_processor_is_rounded_up_to_percents(void **state)
{
	(void)state;
	expect_limits("{\"cpu\":{\"quota\":12345}}", 2, "CPUQuota=13%");
	expect_limits("{\"cpu\":{\"quota\":50000,\"period\":100000}}", 2,
		      "CPUQuotaPeriodSec=100000us CPUQuota=50%");
	expect_limits("{\"cpu\":{\"quota\":30000,\"period\":10000}}", 2,
		      "CPUQuotaPeriodSec=10000us CPUQuota=300%");
	expect_limits("{\"cpu\":{\"quota\":-1}}", 2, "CPUQuota=");
}

static void test_weights_are_those_of_the_host_s_version(void **state)
{
	(void)state;
	expect_limits("{\"cpu\":{\"shares\":1024},\"blockIO\":{\"weight\":1000}}", 2,
		      "CPUWeight=100 IOWeight=10000");
	expect_limits("{\"cpu\":{\"shares\":1024},\"blockIO\":{\"weight\":1000}}", 1,
		      "CPUShares=1024 BlockIOWeight=1000");
	expect_limits("{\"cpu\":{\"shares\":1024,\"idle\":1}}", 2, "CPUWeight=idle");
}

static void test_the_other_limits_have_their_names(void **state)
{
	(void)state;
	expect_limits("{\"pids\":{\"limit\":33},\"cpu\":{\"cpus\":\"0-1\",\"mems\":\"0\"}}", 2,
		      "AllowedCPUs=0-1 AllowedMemoryNodes=0 TasksMax=33");
	expect_limits("{\"pids\":{\"limit\":-1}}", 2, "TasksMax=infinity");
	expect_limits("{\"pids\":{\"limit\":0}}", 2, "TasksMax=infinity");
	expect_limits("{\"unified\":{\"memory.high\":\"max\",\"memory.oom.group\":\"1\","
		      "\"pids.max\":\"7\"}}",
		      2, "MemoryHigh=infinity TasksMax=7");
}

static void test_what_is_absent_or_nothing_is_not_told(void **state)
{
	(void)state;
	expect_limits("{}", 2, "");
	expect_limits("{\"memory\":{\"limit\":0,\"swap\":0},\"cpu\":{\"shares\":0,\"quota\":0,"
		      "\"period\":0,\"cpus\":\"\"},\"blockIO\":{\"weight\":0}}",
		      2, "");
}

static void expect_devices(const struct cgroup_device *rules, size_t n, const char *expected)
{
	_cleanup_strv_ char **properties = NULL;
	_cleanup_free_ char *joined = NULL;

	scope_properties_devices(rules, n, &properties);
	joined = strv_join(properties, ", ");
	assert_string_equal(joined ? joined : "", expected);
}

static void test_devices_are_allowed_by_number_major_or_kind(void **state)
{
	static const struct cgroup_device rules[] = {
		{ 'c', 9, 9, "rwm", 1 }, { 'a', -1, -1, "rwm", 0 }, { 'c', 1, 3, "rwm", 1 },
		{ 'b', 8, -1, "r", 1 },	 { 'c', -1, -1, "m", 1 },
	};

	(void)state;
	expect_devices(rules, ARRAY_SIZE(rules),
		       "DevicePolicy=strict, DeviceAllow=/dev/char/1:3 rwm, "
		       "DeviceAllow=block-8 r, DeviceAllow=char-* m");
}

static void test_devices_that_systemd_has_no_words_for_leave_its_policy_open(void **state)
{
	static const struct cgroup_device all[] = { { 'a', -1, -1, "rwm", 0 },
						    { 'a', -1, -1, "rwm", 1 } };
	static const struct cgroup_device but[] = { { 'a', -1, -1, "rwm", 0 },
						    { 'c', 1, -1, "rwm", 1 },
						    { 'c', 1, 3, "w", 0 } };
	static const struct cgroup_device minor[] = { { 'a', -1, -1, "rwm", 0 },
						      { 'c', -1, 3, "rwm", 1 } };

	(void)state;
	expect_devices(all, ARRAY_SIZE(all), "");
	expect_devices(but, ARRAY_SIZE(but), "");
	expect_devices(minor, ARRAY_SIZE(minor), "");
	expect_devices(NULL, 0, "");
}

static int annotate(const char *key, const char *value, char ***properties, struct err *err)
{
	const struct record_pair pairs[] = {
		{ (char *)"org.example.other", (char *)"[" },
		{ (char *)(uintptr_t)key, (char *)(uintptr_t)value },
	};

	return scope_properties_annotations(pairs, ARRAY_SIZE(pairs), properties, err);
}

static void expect_property(const char *key, const char *value, const char *expected)
{
	_cleanup_strv_ char **properties = NULL;
	struct err err = ERR_INIT;

	if (annotate(key, value, &properties, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(strv_len(properties), 1);
	assert_string_equal(properties[0], expected);
}

static void test_annotations_set_properties(void **state)
{
	(void)state;
	expect_property("org.systemd.property.CollectMode", "'inactive-or-failed'",
			"CollectMode=inactive-or-failed");
	expect_property("org.systemd.property.TimeoutStopUSec", "uint64 123456789",
			"TimeoutStopSec=123456789us");
	expect_property("org.systemd.property.TimeoutStopSec", "5", "TimeoutStopSec=5s");
	expect_property("org.systemd.property.DefaultDependencies", "true",
			"DefaultDependencies=true");
	expect_property("org.systemd.property.After", "['a.service', \"b.service\"]",
			"After=\"a.service\" \"b.service\"");
	expect_property("org.systemd.property.Description", "'it\\'s one'", "Description=it's one");
	expect_property("org.systemd.property.OOMScoreAdjust", "-5", "OOMScoreAdjust=-5");
}

static void test_an_annotation_that_is_no_property_is_refused_by_name(void **state)
{
	static const char *const values[] = { "",	   "plain",	"'open",      "['a'",
					      "['a' 'b']", "[1]",	"'a' b",      "'\\n'",
					      "'a\nb'",	   "uint64",	"{'a': 'b'}", "<'a'>",
					      "yes",	   "['a\\\"']", "''''" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		_cleanup_strv_ char **properties = NULL;
		struct err err = ERR_INIT;

		if (annotate("org.systemd.property.X", values[i], &properties, &err) != -EINVAL)
			fail_msg("%s was taken as %s", values[i], properties ? properties[0] : "");
		assert_non_null(strstr(err.msg, "org.systemd.property.X"));
	}
}

static void test_a_property_s_name_has_letters_and_digits_alone(void **state)
{
	static const char *const keys[] = { "org.systemd.property.", "org.systemd.property.A=B",
					    "org.systemd.property.A B", "org.systemd.property.1A",
					    "org.systemd.property.-A" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_strv_ char **properties = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(annotate(keys[i], "true", &properties, &err), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_and_swap_are_told_apart_in_version_2),
		cmocka_unit_test(test_a_share_of_a_processor_is_rounded_up_to_percents),
		cmocka_unit_test(test_weights_are_those_of_the_host_s_version),
		cmocka_unit_test(test_the_other_limits_have_their_names),
		cmocka_unit_test(test_what_is_absent_or_nothing_is_not_told),
		cmocka_unit_test(test_devices_are_allowed_by_number_major_or_kind),
		cmocka_unit_test(test_devices_that_systemd_has_no_words_for_leave_its_policy_open),
		cmocka_unit_test(test_annotations_set_properties),
		cmocka_unit_test(test_an_annotation_that_is_no_property_is_refused_by_name),
		cmocka_unit_test(test_a_property_s_name_has_letters_and_digits_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
