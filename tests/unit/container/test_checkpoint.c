// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/checkpoint.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void pipes_and_the_hosts_files_are_replaced_and_nothing_else(void **state _unused_)
{
	static const char text[] = "[\"pipe:[12]\",\"file[1a:2b]\",\"/dev/null\",7]";
	_cleanup_json_ struct json *json = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(json_parse(text, strlen(text), "test", &json, &err), 0);
	assert_string_equal(checkpoint_stream(json, 0), "pipe:[12]");
	assert_string_equal(checkpoint_stream(json, 1), "file[1a:2b]");
	assert_null(checkpoint_stream(json, 2));
	assert_null(checkpoint_stream(json, 3));
	assert_null(checkpoint_stream(json, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipes_and_the_hosts_files_are_replaced_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
