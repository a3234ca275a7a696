// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/limits.h"

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define WORDS(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })
#define BIT(n)	   (UINT64_C(1) << (n))

static void a_machines_root_may_everything(void **state _unused_)
{
	struct guest_config config = { .cap_add = WORDS("NET_ADMIN") };
	struct limits limits = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(limits_parse(&config, &limits, &err), 0);
	assert_true(limits.capabilities == UINT64_MAX);
	assert_int_equal(limits.n_rlimits, 0);
}

static void what_is_dropped_is_missing(void **state _unused_)
{
	struct guest_config config = { .cap_drop = WORDS("NET_RAW", "cap_checkpoint_restore",
							 "CAP_CHOWN") };
	struct limits limits = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(limits_parse(&config, &limits, &err), 0);
	assert_true(limits.capabilities ==
		    ~(BIT(CAP_NET_RAW) | BIT(CAP_CHECKPOINT_RESTORE) | BIT(CAP_CHOWN)));
}

static void adding_counts_after_dropping_all(void **state _unused_)
{
	struct guest_config config = { .cap_drop = WORDS("ALL"), .cap_add = WORDS("KILL") };
	struct limits limits = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(limits_parse(&config, &limits, &err), 0);
	assert_true(limits.capabilities == BIT(CAP_KILL));
}

static void limits_have_a_soft_and_a_hard_value(void **state _unused_)
{
	struct guest_config config = { .rlimits = WORDS("nofile=10:20", "core=0", "NPROC=-1",
							"memlock=5:unlimited", "nofile=11:21") };
	struct limits limits = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(limits_parse(&config, &limits, &err), 0);
	assert_int_equal(limits.n_rlimits, 4);
	assert_int_equal(limits.rlimits[0].resource, RLIMIT_NOFILE);
	assert_int_equal(limits.rlimits[0].soft, 11);
	assert_int_equal(limits.rlimits[0].hard, 21);
	assert_int_equal(limits.rlimits[1].hard, 0);
	assert_true(limits.rlimits[2].soft == RLIM_INFINITY);
	assert_true(limits.rlimits[3].hard == RLIM_INFINITY);
}

static void what_is_no_limit_is_refused(void **state _unused_)
{
	static const char *const bad[] = {
		"",	     "nofile",	   "nofile=",	"nofile=x",
		"nofile=1:", "nofile=2:1", "nosuch=1",	"nofile=1:2:3",
		"=1",	     "nofile=1x",  "nofile=-2", "nofile=99999999999999999999"
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct guest_config config = { .rlimits = WORDS(bad[i]) };
		struct limits limits = { 0 };
		struct err err = ERR_INIT;

		assert_true(limits_parse(&config, &limits, &err) < 0);
		assert_int_equal(limits.n_rlimits, 0);
	}
}

static void what_is_no_capability_is_refused(void **state _unused_)
{
	static const char *const bad[] = { "", "CAP_", "NET", "NET_RAWX", "12" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct guest_config config = { .cap_drop = WORDS(bad[i]) };
		struct limits limits = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(limits_parse(&config, &limits, &err), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_machines_root_may_everything),
		cmocka_unit_test(what_is_dropped_is_missing),
		cmocka_unit_test(adding_counts_after_dropping_all),
		cmocka_unit_test(limits_have_a_soft_and_a_hard_value),
		cmocka_unit_test(what_is_no_limit_is_refused),
		cmocka_unit_test(what_is_no_capability_is_refused),
	};

	return cmocka_run_group_tests_name("guest/limits", tests, NULL, NULL);
}
