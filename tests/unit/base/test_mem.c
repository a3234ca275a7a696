// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <cmocka.h>

static void strings_are_copied_and_nothing_stays_nothing(void **state _unused_)
{
	_cleanup_free_ char *copy = mem_strdup("text"), *part = mem_strndup("text", 2);
	_cleanup_free_ char *made = mem_printf("%d-%s", 7, "x");

	assert_string_equal(copy, "text");
	assert_string_equal(part, "te");
	assert_string_equal(made, "7-x");
	assert_null(mem_strdup(NULL));
	mem_replace(&copy, "other");
	assert_string_equal(copy, "other");
	mem_replace(&copy, NULL);
	assert_null(copy);
}

static void new_memory_is_zero(void **state _unused_)
{
	_cleanup_free_ char *bytes = mem_zalloc(4096);

	for (size_t i = 0; i < 4096; i++)
		assert_int_equal(bytes[i], 0);
}

static void a_size_that_overflows_ends_the_process(void **state _unused_)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
		free(mem_realloc(NULL, SIZE_MAX / 2, 4));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(!WIFEXITED(status) || WEXITSTATUS(status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_copied_and_nothing_stays_nothing),
		cmocka_unit_test(new_memory_is_zero),
		cmocka_unit_test(a_size_that_overflows_ends_the_process),
	};

	return cmocka_run_group_tests_name("base/mem", tests, NULL, NULL);
}
