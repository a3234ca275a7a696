// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/err.h"
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void an_error_holds_its_cause_and_grows_outwards(void **state _unused_)
{
	struct err err = ERR_INIT;

	assert_false(err_is_set(&err));
	assert_int_equal(err_errno(&err, -ENOENT, "cannot open %s", "x"), -ENOENT);
	assert_int_equal(err_wrap(&err, "starting '%s'", "web"), -ENOENT);
	assert_string_equal(err.msg, "starting 'web': cannot open x: No such file or directory");
	assert_int_equal(err.exit_status, 125);
	assert_int_equal(err_set(&err, 0, "odd"), -EIO);
}

static void the_workloads_exit_status_survives_wrapping(void **state _unused_)
{
	struct err err = ERR_INIT;

	err_set(&err, -ENOENT, "no such program");
	err.exit_status = 127;
	err_wrap(&err, "exec");
	assert_int_equal(err.exit_status, 127);
}

static void long_messages_are_cut(void **state _unused_)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < 100; i++)
		err_wrap(&err, "0123456789");
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

/* Messages hold bytes of guests and images, which must not reach the terminal as commands. */
static void a_logged_line_is_one_line_without_control_bytes(void **state _unused_)
{
	char text[128] = "";
	int fds[2], saved = dup(STDERR_FILENO);

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	dup2(fds[1], STDERR_FILENO);
	log_error("a\033[2Jb\nc %s", "\xc3\xa9");
	dup2(saved, STDERR_FILENO);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "brig: a?[2Jb?c \xc3\xa9\n");
	close(saved);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_holds_its_cause_and_grows_outwards),
		cmocka_unit_test(the_workloads_exit_status_survives_wrapping),
		cmocka_unit_test(long_messages_are_cut),
		cmocka_unit_test(a_logged_line_is_one_line_without_control_bytes),
	};

	return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
