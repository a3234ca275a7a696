// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "base/strv.h"
#include "instance/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The line that decides for an instance of the image with the label; 0: none. */
static unsigned int decides(const char *text, const char *image, const char *label, int kind,
			    int allowed)
{
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_policy_ struct policy policy = { 0 };
	const struct policy_rule *rule;
	struct err err = ERR_INIT;

	instance_init(&record);
	record.image = mem_strdup(image);
	strv_add(&record.labels, label);
	assert_int_equal(policy_parse(text, &policy, &err), 0);
	rule = policy_find(&policy, &record);
	assert_int_equal(policy_allows(rule, kind), allowed);
	return rule ? rule->line : 0;
}

static void the_first_that_matches_decides(void **state _unused_)
{
	static const char text[] = "# of people\n"
				   "\n"
				   "allow\timage=debian:*   # ours\n"
				   "forbid container label=trust=no\r\n"
				   "force container label=fast image=*/web:*\n"
				   "forbid vm image=old:1";

	assert_int_equal(decides(text, "debian:12", "trust=no", INSTANCE_CONTAINER, 1), 3);
	assert_int_equal(decides(text, "busybox:1", "trust=no", INSTANCE_CONTAINER, 0), 4);
	assert_int_equal(decides(text, "busybox:1", "trust=no", INSTANCE_VM, 1), 4);
	assert_int_equal(decides(text, "busybox:1", "trust=nowhere", INSTANCE_CONTAINER, 1), 0);
	assert_int_equal(decides(text, "r.corp/a/web:1", "fast=very", INSTANCE_VM, 0), 5);
	assert_int_equal(decides(text, "r.corp/a/web:1", "fast=very", INSTANCE_CONTAINER, 1), 5);
	assert_int_equal(decides(text, "r.corp/a/web:1", "faster=very", INSTANCE_VM, 1), 0);
	assert_int_equal(decides(text, "old:1", "a=b", INSTANCE_VM, 0), 6);
	assert_int_equal(decides("", "old:1", "a=b", INSTANCE_VM, 1), 0);
}

static void a_user_is_known_by_his_number_and_his_name(void **state _unused_)
{
	_cleanup_free_ char *by_number = mem_printf("forbid vm user=%u\n", geteuid());
	_cleanup_free_ char *another = mem_printf("forbid vm user=%u\n", geteuid() + 1);

	assert_int_equal(decides(by_number, "a:1", "a=b", INSTANCE_VM, 0), 1);
	assert_int_equal(decides(another, "a:1", "a=b", INSTANCE_VM, 1), 0);
	assert_int_equal(
		decides("forbid vm user=nobody-of-that-name\n", "a:1", "a=b", INSTANCE_VM, 1), 0);
	if (!geteuid())
		assert_int_equal(decides("forbid vm user=ro*\n", "a:1", "a=b", INSTANCE_VM, 0), 1);
}

static void what_is_wrong_is_named_with_its_line(void **state _unused_)
{
	static const struct {
		const char *text, *line, *why;
	} wrong[] = {
		{ "deny vm", "line 1", "allow, forbid and force" },
		{ "\nforce", "line 2", "which kind" },
		{ "force image=a:1", "line 1", "which kind" },
		{ "allow vm", "line 1", "'vm' is none of" },
		{ "allow name=a", "line 1", "'name=a' is none of" },
		{ "forbid vm image=", "line 1", "nothing after" },
		{ "forbid vm image=a image=b", "line 1", "twice" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		_cleanup_policy_ struct policy policy = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(policy_parse(wrong[i].text, &policy, &err), -EINVAL);
		assert_non_null(strstr(err.msg, wrong[i].line));
		assert_non_null(strstr(err.msg, wrong[i].why));
		assert_null(policy.rules);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_that_matches_decides),
		cmocka_unit_test(a_user_is_known_by_his_number_and_his_name),
		cmocka_unit_test(what_is_wrong_is_named_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
