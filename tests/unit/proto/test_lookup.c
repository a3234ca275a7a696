// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/lookup.h"
#include "base/mem.h"
#include "base/strv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static void a_name_and_its_address_are_taken_as_docker_has_them(void **state _unused_)
{
	static const char *const good[][2] = {
		{ "db:10.0.0.7", "db:10.0.0.7" },
		{ "db=10.0.0.7", "db:10.0.0.7" },
		{ "a.example:fd00::7", "a.example:fd00::7" },
		{ "a.example:[fd00::7]", "a.example:fd00::7" },
	};
	static const char *const bad[] = {
		"",	 "db",		 "db:",		":10.0.0.7",  "db:x",	     "db:[",
		"db:[]", "db:10.0.0.7 ", "d b:1.1.1.1", "-d:1.1.1.1", "d\nb:1.1.1.1"
	};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *text = NULL;

		assert_int_equal(lookup_parse_host(good[i][0], &text, &err), 0);
		assert_string_equal(text, good[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *text = NULL;

		if (lookup_parse_host(bad[i], &text, &err) == 0)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static int check(const char *server, const char *domain, const char *host)
{
	char *dns[] = { (char *)(uintptr_t)server, NULL };
	char *search[] = { (char *)(uintptr_t)domain, NULL };
	char *hosts[] = { (char *)(uintptr_t)host, NULL };
	struct err err = ERR_INIT;

	return lookup_check_all(dns, search, hosts, &err);
}

static void what_becomes_a_line_of_a_file_has_nothing_else_in_it(void **state _unused_)
{
	struct err err = ERR_INIT;

	assert_int_equal(lookup_check_all(NULL, NULL, NULL, &err), 0);
	assert_int_equal(check("1.1.1.1", "a.example", "db:10.0.0.7"), 0);
	assert_int_equal(check("fd00::1", ".", "db:fd00::7"), 0);
	assert_true(check("1.1.1.1\nx", "a", "db:10.0.0.7") < 0);
	assert_true(check("server", "a", "db:10.0.0.7") < 0);
	assert_true(check("1.1.1.1", "a\nb", "db:10.0.0.7") < 0);
	assert_true(check("1.1.1.1", "a b", "db:10.0.0.7") < 0);
	assert_true(check("1.1.1.1", "", "db:10.0.0.7") < 0);
	/* not as a record has it */
	assert_true(check("1.1.1.1", "a", "db=10.0.0.7") < 0);
}

static void an_instance_without_an_address_knows_its_own_name(void **state _unused_)
{
	_cleanup_free_ char *hosts = lookup_hosts("web");

	assert_string_equal(hosts, LOOKUP_HOSTS "127.0.1.1\tweb\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_and_its_address_are_taken_as_docker_has_them),
		cmocka_unit_test(what_becomes_a_line_of_a_file_has_nothing_else_in_it),
		cmocka_unit_test(an_instance_without_an_address_knows_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
