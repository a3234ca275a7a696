// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/logs.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

static int make_dir(void **state)
{
	char path[] = "/tmp/brig-test-logs-XXXXXX";

	if (!mkdtemp(path))
		return -1;
	*state = mem_strdup(path);
	return 0;
}

static int remove_dir(void **state)
{
	int r = file_remove_tree(AT_FDCWD, *state);

	free(*state);
	return r;
}

static void write_lines(const char *dir, const char *const *lines)
{
	struct logs_writer *writer = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(logs_writer_new(dir, &writer, &err), 0);
	for (; *lines; lines++)
		logs_write(writer, 'o', *lines, strlen(*lines));
	logs_writer_free(writer);
}

/* What logs_print() writes to stdout, as a string of the caller's. */
static char *print(const char *dir, struct logs_options options)
{
	_cleanup_free_ char *path = mem_printf("%s/printed", dir);
	_cleanup_free_ char *lock = mem_printf("%s/lock", dir);
	struct err err = ERR_INIT;
	char *text = NULL;

	options.out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	options.err = options.out;
	assert_int_equal(logs_print(dir, lock, &options, &err), 0);
	fd_close(options.out);
	assert_int_equal(file_read(AT_FDCWD, path, SIZE_MAX - 1, &text, NULL), 0);
	return text;
}

static void what_was_written_is_printed(void **state)
{
	const char *const lines[] = { "one\n", "tw", "o\nthree\n", NULL };
	_cleanup_free_ char *text = NULL;

	write_lines(*state, lines);
	text = print(*state, (struct logs_options){ .tail = -1 });
	assert_string_equal(text, "one\ntwo\nthree\n");
}

static void tail_counts_lines_not_records(void **state)
{
	const char *const lines[] = { "a\nb\nc\n", "d\n", NULL };
	_cleanup_free_ char *two = NULL, *none = NULL, *all = NULL;

	write_lines(*state, lines);
	two = print(*state, (struct logs_options){ .tail = 2 });
	none = print(*state, (struct logs_options){ .tail = 0 });
	all = print(*state, (struct logs_options){ .tail = 99 });
	assert_string_equal(two, "c\nd\n");
	assert_string_equal(none, "");
	assert_string_equal(all, "a\nb\nc\nd\n");
}

static void each_line_has_its_time(void **state)
{
	const char *const lines[] = { "a\nb", "c\n", NULL };
	_cleanup_free_ char *text = NULL;
	char *second;

	write_lines(*state, lines);
	text = print(*state, (struct logs_options){ .tail = -1, .timestamps = 1 });
	assert_non_null(strstr(text, "Z a\n20"));
	second = strstr(text, "\n20");
	assert_non_null(strstr(second, "Z bc\n"));
}

static void the_future_has_no_lines(void **state)
{
	const char *const lines[] = { "a\n", NULL };
	_cleanup_free_ char *text = NULL;

	write_lines(*state, lines);
	text = print(*state, (struct logs_options){ .tail = -1, .since_ns = INT64_MAX });
	assert_string_equal(text, "");
}

static void the_ring_is_bounded_and_keeps_the_end(void **state)
{
	_cleanup_free_ char *chunk = mem_zalloc(1 << 20), *text = NULL;
	struct logs_writer *writer = NULL;
	struct err err = ERR_INIT;
	struct stat st;
	off_t size = 0;

	assert_int_equal(logs_writer_new(*state, &writer, &err), 0);
	memset(chunk, 'x', (1 << 20) - 1);
	chunk[(1 << 20) - 1] = '\n';
	for (int i = 0; i < 40; i++)
		logs_write(writer, 'o', chunk, 1 << 20);
	logs_write(writer, 'o', "the end\n", 8);
	logs_writer_free(writer);

	for (int i = 0; i < 2; i++) {
		_cleanup_free_ char *path = mem_printf("%s/log%s", (char *)*state, i ? ".1" : "");

		assert_int_equal(stat(path, &st), 0);
		size += st.st_size;
	}
	assert_true(size / 2 <= LOGS_SEGMENT_MAX + (2 << 20));
	text = print(*state, (struct logs_options){ .tail = 1 });
	assert_string_equal(text, "the end\n");
}

static void a_log_cut_by_a_crash_still_prints_what_is_whole(void **state)
{
	const char *const lines[] = { "whole\n", "cut\n", NULL };
	_cleanup_free_ char *path = mem_printf("%s/log", (char *)*state);
	_cleanup_free_ char *text = NULL;
	struct stat st;

	write_lines(*state, lines);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 2), 0);
	text = print(*state, (struct logs_options){ .tail = -1 });
	assert_string_equal(text, "whole\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
		TEST(what_was_written_is_printed),
		TEST(tail_counts_lines_not_records),
		TEST(each_line_has_its_time),
		TEST(the_future_has_no_lines),
		TEST(the_ring_is_bounded_and_keeps_the_end),
		TEST(a_log_cut_by_a_crash_still_prints_what_is_whole),
	};

	return cmocka_run_group_tests_name("instance/logs", tests, NULL, NULL);
}
