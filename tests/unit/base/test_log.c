// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/log.h"
#include "base/json.h"

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

static void log_for_an_engine(void)
{
	log_error("cannot \"open\" C:\\x \xff\xc3\xa9");
	log_debug("detail");
}

/* What is in the file and what is on stderr, after the calls with a log file of that format. */
static void logged_to_file(enum log_format format, char *text, char *file, size_t size)
{
	char path[] = "/tmp/test-log-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	unlink(path);
	log_set_debug(1);
	log_set_program("brig-oci");
	log_set_file(fd, format);
	logged(log_for_an_engine, text, size);
	log_set_file(-1, LOG_PLAIN);
	log_set_program("brig");
	log_set_debug(0);
	n = pread(fd, file, size - 1, 0);
	file[n > 0 ? n : 0] = '\0';
	close(fd);
}

static void a_log_file_of_json_has_a_whole_object_per_line(void **state _unused_)
{
	char text[512], file[512];
	_cleanup_strv_ char **lines = NULL;

	logged_to_file(LOG_JSON, text, file, sizeof(file));
	assert_string_equal(text, "brig-oci: cannot \"open\" C:\\x \xff\xc3\xa9\n");
	lines = strv_split(file, "\n");
	assert_int_equal(strv_len(lines), 2);
	strv_for_each(line, lines) {
		_cleanup_json_ struct json *json = NULL;
		struct err err = ERR_INIT;
		int is_error = line == lines;

		assert_int_equal(json_parse(*line, strlen(*line), "line", &json, &err), 0);
		assert_string_equal(json_get_string(json, "level", ""),
				    is_error ? "error" : "debug");
		assert_string_equal(json_get_string(json, "msg", ""),
				    is_error ? "cannot \"open\" C:\\x ?\xc3\xa9" : "detail");
		assert_int_equal(strlen(json_get_string(json, "time", "")),
				 strlen("2026-01-31T10:00:00.000000000Z"));
	}
}

static void a_log_file_of_text_has_key_and_value(void **state _unused_)
{
	char text[512], file[512];

	logged_to_file(LOG_TEXT, text, file, sizeof(file));
	assert_non_null(
		strstr(file, "level=error msg=\"cannot \\\"open\\\" C:\\\\x ?\xc3\xa9\"\n"));
	assert_non_null(strstr(file, "level=debug msg=\"detail\"\n"));
}

static void without_a_file_stderr_has_the_format(void **state _unused_)
{
	_cleanup_json_ struct json *json = NULL;
	struct err err = ERR_INIT;
	char text[512];

	log_set_file(-1, LOG_JSON);
	logged(log_hostile, text, sizeof(text));
	log_set_file(-1, LOG_PLAIN);
	assert_int_equal(json_parse(text, strlen(text), "line", &json, &err), 0);
	assert_string_equal(json_get_string(json, "level", ""), "error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_logged_line_is_one_line_without_control_bytes),
		cmocka_unit_test(long_lines_are_cut_and_still_end),
		cmocka_unit_test(details_are_shown_on_demand),
		cmocka_unit_test(a_log_file_of_json_has_a_whole_object_per_line),
		cmocka_unit_test(a_log_file_of_text_has_key_and_value),
		cmocka_unit_test(without_a_file_stderr_has_the_format),
	};

	return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
