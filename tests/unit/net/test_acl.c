// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/acl.h"
#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

struct place {
	char folder[32];
	struct network_home home;
};

static int set_up(void **state)
{
	struct place *place = mem_zalloc(sizeof(*place));

	strcpy(place->folder, "/tmp/brig-acl-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	place->home = (struct network_home){ .root = place->folder, .run = place->folder };
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	assert_int_equal(file_remove_tree(AT_FDCWD, place->folder), 0);
	free(place);
	return 0;
}

static void a_rule_has_one_form(void **state _unused_)
{
	static const struct {
		const char *text, *canonical;
	} rules[] = {
		{ "ingress allow", "ingress allow" },
		{ "  egress   drop  log ", "egress drop log" },
		{ "ingress allow tcp port 80", "ingress allow tcp port 80" },
		{ "ingress allow tcp port 80,443-443,8000-8999",
		  "ingress allow tcp port 80,443,8000-8999" },
		{ "ingress reject udp", "ingress reject udp" },
		{ "egress allow icmp to @lan", "egress allow icmp to @lan" },
		{ "egress allow udp port 53 to 10.1.2.3/32 log",
		  "egress allow udp port 53 to 10.1.2.3 log" },
		{ "ingress drop from 10.1.2.3/8", "ingress drop from 10.0.0.0/8" },
		{ "ingress drop from FD00:0::1/8", "ingress drop from fd00::/8" },
		{ "ingress drop from 0.0.0.0/0", "ingress drop from 0.0.0.0/0" },
		{ "egress allow tcp to ::/0", "egress allow tcp to ::/0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		_cleanup_free_ char *canonical = NULL, *again = NULL;
		struct acl_rule rule;
		struct err err = ERR_INIT;

		if (acl_rule_parse(rules[i].text, &rule, &err) < 0)
			fail_msg("%s", err.msg);
		canonical = acl_rule_format(&rule);
		assert_string_equal(canonical, rules[i].canonical);
		assert_int_equal(acl_rule_parse(canonical, &rule, &err), 0);
		again = acl_rule_format(&rule);
		assert_string_equal(again, canonical);
	}
}

static void what_is_no_rule_is_told(void **state _unused_)
{
	static const struct {
		const char *text, *why;
	} rules[] = {
		{ "", "begins with 'ingress' or 'egress'" },
		{ "allow", "begins with 'ingress' or 'egress'" },
		{ "ingress", "followed by 'allow', 'drop' or 'reject'" },
		{ "ingress permit", "followed by 'allow', 'drop' or 'reject'" },
		{ "ingress allow port 80", "'tcp' or 'udp'" },
		{ "ingress allow icmp port 80", "'tcp' or 'udp'" },
		{ "ingress allow tcp port", "which port?" },
		{ "ingress allow tcp port 0", "not between 1 and 65535" },
		{ "ingress allow tcp port 65536", "not between 1 and 65535" },
		{ "ingress allow tcp port 9-8", "ends before it begins" },
		{ "ingress allow tcp port http", "not a whole number" },
		{ "ingress allow tcp port 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
		  "at most 16" },
		{ "ingress allow from", "'from' whom?" },
		{ "ingress allow to 10.0.0.1", "'to' is not expected" },
		{ "egress allow from 10.0.0.1", "'from' is not expected" },
		{ "egress allow to example.org", "is no address" },
		{ "egress allow to 10.0.0.1/33", "is no address" },
		{ "egress allow to @", "" },
		{ "egress allow to @../x", "" },
		{ "egress allow log log", "'log' is not expected" },
		{ "egress allow to 10.0.0.1; drop", "is no address" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		struct acl_rule rule;
		struct err err = ERR_INIT;

		if (acl_rule_parse(rules[i].text, &rule, &err) == 0)
			fail_msg("'%s' is taken", rules[i].text);
		if (!strstr(err.msg, rules[i].why))
			fail_msg("'%s': %s", rules[i].text, err.msg);
	}
}

/* With or without quotes around each. */
static void rules_come_as_words(void **state)
{
	const struct place *place = *state;
	char *quoted[] = { (char[]){ "ingress allow tcp port 80" }, (char[]){ "egress drop" },
			   NULL };
	char *loose[] = { (char[]){ "ingress" }, (char[]){ "allow" },
			  (char[]){ "tcp" },	 (char[]){ "port" },
			  (char[]){ "80" },	 (char[]){ "egress" },
			  (char[]){ "drop" },	 NULL };
	char *unknown[] = { (char[]){ "egress allow to @lan" }, NULL };
	_cleanup_strv_ char **rules = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(acl_parse_words(&place->home, quoted, &rules, &err), 0);
	assert_int_equal(acl_parse_words(&place->home, loose, &rules, &err), 0);
	assert_int_equal(acl_parse_words(&place->home, &(char *){ NULL }, &rules, &err), 0);
	assert_int_equal(strv_len(rules), 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(rules[i], quoted[i % 2]);
	assert_int_equal(acl_parse_words(&place->home, unknown, &rules, &err), -ENOENT);
}

static void an_acl_is_there_until_it_is_removed(void **state)
{
	const struct place *place = *state;
	_cleanup_acl_ struct acl acl = { .name = mem_strdup("web") }, loaded = { 0 };
	_cleanup_free_ char *left = mem_printf("%s/acls/web.json.1.tmp", place->folder);
	_cleanup_strv_ char **names = NULL;
	struct acl none;
	struct err err = ERR_INIT;

	strv_add(&acl.rules, "ingress allow from @lan");
	assert_int_equal(acl_save(&place->home, &acl, &err), 0);
	assert_int_equal(file_replace(AT_FDCWD, left, "{", 1, 0600, 0), 0);
	assert_int_equal(acl_load(&place->home, "web", &loaded, &err), 0);
	assert_true(acl_has(&loaded, ACL_INGRESS) && !acl_has(&loaded, ACL_EGRESS));
	assert_true(acl_names_network(&loaded, "lan") && !acl_names_network(&loaded, "la"));
	assert_int_equal(acl_names(&place->home, &names, &err), 0);
	assert_true(strv_len(names) == 1 && !strcmp(*names, "web"));
	assert_int_equal(acl_save(&place->home, &acl, &err), 0);
	assert_int_equal(access(left, F_OK), -1); /* what a killed process left */
	assert_int_equal(acl_check_all(&place->home, names, &err), 0);
	assert_int_equal(acl_load(&place->home, "wep", &none, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "did you mean 'web'?"));
	assert_int_equal(acl_remove(&place->home, "web", &err), 0);
	err = ERR_INIT;
	assert_int_equal(acl_check_all(&place->home, names, &err), -ENOENT);
}

static void a_record_with_no_rules_in_it_is_an_error(void **state)
{
	const struct place *place = *state;
	_cleanup_free_ char *path = mem_printf("%s/acls/web.json", place->folder);
	_cleanup_acl_ struct acl acl = { .name = mem_strdup("web") };
	static const char text[] =
		"{\"version\": 1, \"rules\": [\"ingress allow; flush ruleset\"]}";
	struct acl loaded;
	struct err err = ERR_INIT;

	assert_int_equal(acl_save(&place->home, &acl, &err), 0);
	assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0600, 0), 0);
	assert_true(acl_load(&place->home, "web", &loaded, &err) < 0);
	assert_non_null(strstr(err.msg, "ACL 'web'"));
	acl_release(&loaded);
}

static void there_are_bounds(void **state)
{
	const struct place *place = *state;
	_cleanup_acl_ struct acl acl = { .name = mem_strdup("web") };
	_cleanup_strv_ char **names = NULL;
	struct err err = ERR_INIT;

	for (int i = 0; i <= ACLS_MAX; i++)
		strv_add_printf(&names, "acl%d", i);
	assert_int_equal(acl_check_all(&place->home, names, &err), -EINVAL);
	for (int i = 0; i <= ACL_RULES_MAX; i++)
		strv_add(&acl.rules, "ingress allow");
	err = ERR_INIT;
	assert_int_equal(acl_save(&place->home, &acl, &err), -EINVAL);
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_has_one_form),
		cmocka_unit_test(what_is_no_rule_is_told),
		PLACE_TEST(rules_come_as_words),
		PLACE_TEST(an_acl_is_there_until_it_is_removed),
		PLACE_TEST(a_record_with_no_rules_in_it_is_an_error),
		PLACE_TEST(there_are_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
