// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/privilege.h"

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

static void capabilities_have_names(void **state _unused_)
{
	struct err err = ERR_INIT;
	uint64_t mask = 0;

	assert_int_equal(privilege_parse_capability("NET_ADMIN", &mask, &err), 0);
	assert_true(mask == UINT64_C(1) << CAP_NET_ADMIN);
	assert_int_equal(privilege_parse_capability("cap_chown", &mask, &err), 0);
	assert_true(mask == UINT64_C(1) << CAP_CHOWN);
	assert_int_equal(privilege_parse_capability("CAP_CHECKPOINT_RESTORE", &mask, &err), 0);
	assert_true(mask == UINT64_C(1) << CAP_CHECKPOINT_RESTORE);
	assert_int_equal(privilege_parse_capability("all", &mask, &err), 0);
	assert_true(mask == UINT64_MAX);
}

static void an_unknown_capability_is_told_with_the_nearest(void **state _unused_)
{
	struct err err = ERR_INIT;
	uint64_t mask = 0;

	assert_int_equal(privilege_parse_capability("net_admim", &mask, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "did you mean NET_ADMIN?"));
	assert_int_equal(privilege_parse_capability("", &mask, &err), -EINVAL);
	assert_int_equal(privilege_parse_capability("CAP_", &mask, &err), -EINVAL);
}

static void several_capabilities_are_one_mask(void **state _unused_)
{
	char *good[] = { (char *)"NET_ADMIN", (char *)"CHOWN", NULL };
	char *bad[] = { (char *)"NET_ADMIN", (char *)"CHOW", NULL };
	struct err err = ERR_INIT;
	uint64_t mask = 77;

	assert_int_equal(privilege_parse_capabilities(bad, &mask, &err), -EINVAL);
	assert_int_equal(mask, 77);
	assert_int_equal(privilege_parse_capabilities(good, &mask, &err), 0);
	assert_true(mask == ((UINT64_C(1) << CAP_NET_ADMIN) | (UINT64_C(1) << CAP_CHOWN)));
	assert_int_equal(privilege_parse_capabilities(NULL, &mask, &err), 0);
	assert_true(mask == 0);
}

static void limits_have_a_soft_and_a_hard_value(void **state _unused_)
{
	struct privilege_rlimit limit = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(privilege_parse_rlimit("nofile=1024:4096", &limit, &err), 0);
	assert_int_equal(limit.resource, RLIMIT_NOFILE);
	assert_string_equal(limit.name, "nofile");
	assert_true(limit.soft == 1024 && limit.hard == 4096);
	assert_int_equal(privilege_parse_rlimit("RLIMIT_CORE=0", &limit, &err), 0);
	assert_true(limit.soft == 0 && limit.hard == 0);
	assert_int_equal(privilege_parse_rlimit("memlock=-1", &limit, &err), 0);
	assert_true(limit.soft == UINT64_MAX && limit.hard == UINT64_MAX);
	assert_int_equal(privilege_parse_rlimit("stack=8:unlimited", &limit, &err), 0);
	assert_true(limit.soft == 8 && limit.hard == UINT64_MAX);
}

static void what_is_no_limit_is_refused(void **state _unused_)
{
	static const char *const bad[] = {
		"",	     "nofile",	     "nofile=",	 "nofile=a",
		"nofile=1:", "nofile=2:1",   "files=1",	 "nofile=unlimited:5",
		"=1",	     "nofile=1:2:3", "nofile=-2"
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct privilege_rlimit limit = { 0 };
		struct err err = ERR_INIT;

		if (privilege_parse_rlimit(bad[i], &limit, &err) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_true(err_is_set(&err));
	}
}

static void every_capability_is_parsed_back_from_its_name(void **state _unused_)
{
	unsigned int n = 0;

	assert_string_equal(privilege_capability_name(12), "NET_ADMIN");
	for (const char *name; (name = privilege_capability_name(n)); n++) {
		struct err err = ERR_INIT;
		uint64_t mask = 0;

		assert_int_equal(privilege_parse_capability(name, &mask, &err), 0);
		assert_true(mask == UINT64_C(1) << n);
	}
	assert_true(n > 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_capability_is_parsed_back_from_its_name),
		cmocka_unit_test(capabilities_have_names),
		cmocka_unit_test(an_unknown_capability_is_told_with_the_nearest),
		cmocka_unit_test(several_capabilities_are_one_mask),
		cmocka_unit_test(limits_have_a_soft_and_a_hard_value),
		cmocka_unit_test(what_is_no_limit_is_refused),
	};

	return cmocka_run_group_tests_name("base/privilege", tests, NULL, NULL);
}
