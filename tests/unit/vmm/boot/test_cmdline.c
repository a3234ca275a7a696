// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/cmdline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void what_the_user_adds_comes_last(void **state _unused_)
{
	_cleanup_free_ char *line = NULL, *plain = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(cmdline_make("console=hvc0 nokaslr", &line, &err), 0);
	assert_int_equal(cmdline_make("", &plain, &err), 0);
	assert_int_equal(strncmp(line, plain, strlen(plain)), 0);
	assert_string_equal(line + strlen(plain), " console=hvc0 nokaslr");
	assert_true(cmdline_has(line, "console=ttyS0"));
}

static void a_line_that_linux_would_cut_is_refused(void **state _unused_)
{
	_cleanup_free_ char *plain = NULL, *line = NULL;
	char added[CMDLINE_MAX + 1];
	struct err err = ERR_INIT;
	size_t left;

	assert_int_equal(cmdline_make("", &plain, &err), 0);
	left = CMDLINE_MAX - strlen(plain) - 1;
	memset(added, 'a', sizeof(added));
	added[left + 1] = '\0';
	assert_int_equal(cmdline_make(added, &line, &err), -E2BIG);
	assert_null(line);
	added[left] = '\0';
	assert_int_equal(cmdline_make(added, &line, &err), 0);
	assert_int_equal(strlen(line), CMDLINE_MAX);
}

static void words_are_found_only_whole(void **state _unused_)
{
	assert_true(cmdline_has("nokaslr", "nokaslr"));
	assert_true(cmdline_has("a nokaslr", "nokaslr"));
	assert_true(cmdline_has("xnokaslr nokaslr b", "nokaslr"));
	assert_false(cmdline_has("nokaslrx nokaslr=1 xnokaslr", "nokaslr"));
	assert_false(cmdline_has("", "nokaslr"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_user_adds_comes_last),
		cmocka_unit_test(a_line_that_linux_would_cut_is_refused),
		cmocka_unit_test(words_are_found_only_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
