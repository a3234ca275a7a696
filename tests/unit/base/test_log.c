// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* What the calls write to stderr, at most size - 1 bytes. */
static void logged(void (*fn)(void), char *text, size_t size)
{
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	dup2(fds[1], STDERR_FILENO);
	fn();
	dup2(saved, STDERR_FILENO);
	n = read(fds[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(saved);
	close(fds[0]);
	close(fds[1]);
}

static void log_hostile(void)
{
	log_error("a\033[2Jb\nc %s", "\xc3\xa9");
}

/* Messages hold bytes of guests and images, which must not reach the terminal as commands. */
static void a_logged_line_is_one_line_without_control_bytes(void **state _unused_)
{
	char text[128];

	logged(log_hostile, text, sizeof(text));
	assert_string_equal(text, "brig: a?[2Jb?c \xc3\xa9\n");
}

static void log_long(void)
{
	log_notice("%02000d", 7);
}

static void long_lines_are_cut_and_still_end(void **state _unused_)
{
	char text[4096];

	logged(log_long, text, sizeof(text));
	assert_int_equal(strlen(text), 1024 - 1);
	assert_int_equal(text[1022], '\n');
}

static void log_details(void)
{
	log_debug("detail");
}

static void details_are_shown_on_demand(void **state _unused_)
{
	char text[64];

	log_set_debug(0);
	logged(log_details, text, sizeof(text));
	assert_string_equal(text, "");
	log_set_debug(1);
	assert_true(log_is_debug());
	logged(log_details, text, sizeof(text));
	assert_string_equal(text, "brig: detail\n");
	log_set_debug(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_logged_line_is_one_line_without_control_bytes),
		cmocka_unit_test(long_lines_are_cut_and_still_end),
		cmocka_unit_test(details_are_shown_on_demand),
	};

	return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
