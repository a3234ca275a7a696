// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/doctor_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

#define CHAIN(table, hook, policy)                                                             \
	"{\"chain\":{\"family\":\"ip\",\"table\":\"" table "\",\"name\":\"FORWARD\",\"type\":" \
	"\"filter\",\"hook\":\"" hook "\",\"policy\":\"" policy "\"}}"
#define RULE(table, bridge)                                                                       \
	"{\"rule\":{\"family\":\"ip\",\"table\":\"" table "\",\"chain\":\"USER\",\"expr\":["      \
	"{\"match\":{\"op\":\"==\",\"left\":{\"meta\":{\"key\":\"iifname\"}},\"right\":\"" bridge \
	"\"}},{\"accept\":null}]}}"

static char detail[DOCTOR_DETAIL_MAX];

/* objects: separated by commas */
static int find(const char *objects)
{
	_cleanup_json_ struct json *ruleset = NULL;
	struct err err = ERR_INIT;
	char text[2048];
	int n = snprintf(text, sizeof(text), "{\"nftables\":[{\"metainfo\":{}},%s]}", objects);

	*detail = '\0';
	assert_int_equal(json_parse(text, (size_t)n, "test", &ruleset, &err), 0);
	return doctor_net_find_wall(ruleset, "brig0", detail);
}

static void a_chain_that_drops_what_no_rule_accepts_is_named(void **state _unused_)
{
	assert_int_equal(find(CHAIN("filter", "forward", "drop")), 1);
	assert_non_null(strstr(detail, "table ip filter, chain FORWARD,"));
	assert_non_null(strstr(detail, "brig0"));
}

static void one_that_lets_pass_or_is_of_another_hook_is_not(void **state _unused_)
{
	assert_int_equal(find(CHAIN("filter", "forward", "accept")), 0);
	assert_int_equal(find(CHAIN("filter", "input", "drop")), 0);
}

static void firewalld_rejects_by_its_last_rule(void **state _unused_)
{
	assert_int_equal(find(CHAIN("firewalld", "forward", "accept")), 1);
}

static void a_rule_of_that_table_that_names_the_bridge_is_enough(void **state _unused_)
{
	assert_int_equal(find(CHAIN("filter", "forward", "drop") "," RULE("filter", "brig0")), 0);
	assert_int_equal(find(CHAIN("filter", "forward", "drop") "," RULE("filter", "brig01")), 1);
	assert_int_equal(find(CHAIN("filter", "forward", "drop") "," RULE("other", "brig0")), 1);
}

static void a_second_table_drops_what_the_first_accepts(void **state _unused_)
{
	assert_int_equal(find(CHAIN("filter", "forward", "drop") "," RULE(
				 "filter", "brig0") "," CHAIN("site", "forward", "drop")),
			 1);
	assert_non_null(strstr(detail, "table ip site,"));
}

static void tables_of_ours_are_none_of_anothers(void **state _unused_)
{
	assert_int_equal(find(CHAIN("brig", "forward", "drop")), 0);
	assert_int_equal(find(CHAIN("brig0123abcd", "forward", "drop")), 0);
	assert_int_equal(find(CHAIN("brigade", "forward", "drop")), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_that_drops_what_no_rule_accepts_is_named),
		cmocka_unit_test(one_that_lets_pass_or_is_of_another_hook_is_not),
		cmocka_unit_test(firewalld_rejects_by_its_last_rule),
		cmocka_unit_test(a_rule_of_that_table_that_names_the_bridge_is_enough),
		cmocka_unit_test(a_second_table_drops_what_the_first_accepts),
		cmocka_unit_test(tables_of_ours_are_none_of_anothers),
	};

	return cmocka_run_group_tests_name("instance/doctor_net", tests, NULL, NULL);
}
