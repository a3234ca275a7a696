// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void expect_name(const char *cgroups_path, const char *above, const char *slice,
			const char *unit, const char *path)
{
	_cleanup_scope_name_ struct scope_name name = { 0 };
	struct err err = ERR_INIT;

	if (scope_parse(SCOPE_SYSTEM, cgroups_path, "web", above, &name, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(name.slice, slice);
	assert_string_equal(name.unit, unit);
	assert_string_equal(name.path, path);
}

static void expect_refused(const char *cgroups_path, int code, const char *words)
{
	_cleanup_scope_name_ struct scope_name name = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(scope_parse(SCOPE_SYSTEM, cgroups_path, "web", "", &name, &err), code);
	if (!strstr(err.msg, "linux.cgroupsPath") || !strstr(err.msg, words))
		fail_msg("%s", err.msg);
}

static void test_the_scope_is_named_by_prefix_and_name_in_its_slice(void **state)
{
	(void)state;
	expect_name("machine.slice:libpod:abc", "", "machine.slice", "libpod-abc.scope",
		    "machine.slice/libpod-abc.scope");
	expect_name("kubepods-burstable-pod1.slice:cri-containerd:f00", "",
		    "kubepods-burstable-pod1.slice", "cri-containerd-f00.scope",
		    "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/"
		    "cri-containerd-f00.scope");
}

static void test_what_is_left_out_has_a_default(void **state)
{
	(void)state;
	expect_name(NULL, "", "system.slice", "brig-web.scope", "system.slice/brig-web.scope");
	expect_name("", "", "system.slice", "brig-web.scope", "system.slice/brig-web.scope");
	expect_name(":brig:x", "", "system.slice", "brig-x.scope", "system.slice/brig-x.scope");
	expect_name("a.slice::x", "", "a.slice", "x.scope", "a.slice/x.scope");
	expect_name("-.slice:a:x", "", "-.slice", "a-x.scope", "a-x.scope");
}

static void test_the_scope_is_below_the_manager_s_own_cgroup(void **state)
{
	(void)state;
	expect_name(":a:x", "docker/1234", "system.slice", "a-x.scope",
		    "docker/1234/system.slice/a-x.scope");
}

static void test_a_user_s_scope_is_in_a_slice_of_his_own(void **state)
{
	_cleanup_scope_name_ struct scope_name name = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(scope_parse(SCOPE_USER, NULL, "web",
				     "user.slice/user-1.slice/user@1.service", &name, &err),
			 0);
	assert_string_equal(name.path,
			    "user.slice/user-1.slice/user@1.service/user.slice/brig-web.scope");
}

static void test_what_is_no_slice_prefix_and_name_is_refused(void **state)
{
	(void)state;
	expect_refused("/system.slice/a", -EINVAL, "SLICE:PREFIX:NAME");
	expect_refused("a.slice:b", -EINVAL, "SLICE:PREFIX:NAME");
	expect_refused("a.slice:b:c:d", -EINVAL, "SLICE:PREFIX:NAME");
	expect_refused("a.slice:b:", -EINVAL, "no name");
	expect_refused("a.slice:b:c.slice", -EOPNOTSUPP, "c.slice");
}

static void test_a_name_that_leads_out_of_its_slice_is_refused(void **state)
{
	static const char *const slices[] = { "a:b:c",	      ".slice:b:c",    "a/../b.slice:b:c",
					      "-a.slice:b:c", "a-.slice:b:c",  "a--b.slice:b:c",
					      "a.scope:b:c",  "a b.slice:b:c", "a\n.slice:b:c" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(slices); i++)
		expect_refused(slices[i], -EINVAL, "slice");
	expect_refused("a.slice:b:../c", -EINVAL, "b-../c.scope");
	expect_refused("a.slice:b:c d", -EINVAL, "c d");
	expect_refused("a.slice:b/c:d", -EINVAL, "b/c");
}

static void test_a_name_longer_than_systemd_takes_is_refused(void **state)
{
	_cleanup_scope_name_ struct scope_name name = { 0 };
	struct err err = ERR_INIT;
	char text[300];

	(void)state;
	/* "b-" and ".scope" are 8 more */
	snprintf(text, sizeof(text), "a.slice:b:%0*d", 248, 1);
	expect_refused(text, -EINVAL, "cannot be the name of a unit");
	text[strlen(text) - 1] = '\0';
	assert_int_equal(scope_parse(SCOPE_SYSTEM, text, "web", "", &name, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_scope_is_named_by_prefix_and_name_in_its_slice),
		cmocka_unit_test(test_what_is_left_out_has_a_default),
		cmocka_unit_test(test_the_scope_is_below_the_manager_s_own_cgroup),
		cmocka_unit_test(test_a_user_s_scope_is_in_a_slice_of_his_own),
		cmocka_unit_test(test_what_is_no_slice_prefix_and_name_is_refused),
		cmocka_unit_test(test_a_name_that_leads_out_of_its_slice_is_refused),
		cmocka_unit_test(test_a_name_longer_than_systemd_takes_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
