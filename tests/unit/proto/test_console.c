// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "proto/console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

struct fixture {
	struct loop *loop;
	struct console *console;
	int writer;
	char folder[32], log[48];
};

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	struct err err = ERR_INIT;
	int pipefd[2];

	snprintf(f->folder, sizeof(f->folder), "/tmp/brig-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->log, sizeof(f->log), "%s/boot.log", f->folder);
	assert_int_equal(loop_new(&f->loop, &err), 0);
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	f->writer = pipefd[1];
	assert_int_equal(console_new(f->loop, pipefd[0], f->log, &f->console, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	console_free(f->console);
	loop_free(f->loop);
	fd_close(f->writer);
	(void)file_remove_tree(AT_FDCWD, f->folder);
	free(f);
	return 0;
}

static void say(struct fixture *f, const char *text)
{
	assert_int_equal(file_write_all(f->writer, text, strlen(text)), 0);
	console_drain(f->console);
}

static void the_tail_is_one_printable_line(void **state)
{
	struct fixture *f = *state;
	char text[64];

	say(f, "first\r\n\n   \n  second\x1b[0m\n\xff\n");
	console_tail(f->console, text, sizeof(text));
	assert_string_equal(text, "first / second?[0m / ?");
}

static void a_long_tail_keeps_its_end(void **state)
{
	struct fixture *f = *state;
	char text[8];

	say(f, "one\ntwo\nthree\n");
	console_tail(f->console, text, sizeof(text));
	assert_string_equal(text, "/ three");
}

static void an_empty_console_has_no_tail(void **state)
{
	struct fixture *f = *state;
	char text[8] = "x";

	console_tail(f->console, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(console_find(f->console, "Kernel panic", text, sizeof(text)), 0);
}

static void a_panic_is_found(void **state)
{
	struct fixture *f = *state;
	char text[64];

	say(f, "[ 1.0] ok\n[ 1.1] Kernel panic - not syncing: no init\r\n[ 1.2] ---\n");
	assert_int_equal(console_find(f->console, "Kernel panic", text, sizeof(text)), 1);
	assert_string_equal(text, "Kernel panic - not syncing: no init");
	assert_int_equal(console_find(f->console, "Kernel panic", text, 13), 1);
	assert_string_equal(text, "Kernel panic");
}

/* Reads as it comes, for more than a pipe takes at once. */
static void flood(struct fixture *f, size_t lines)
{
	char line[64];

	for (size_t i = 0; i < lines; i++) {
		snprintf(line, sizeof(line), "line %054zu\n", i);
		assert_int_equal(file_write_all(f->writer, line, 60), 0);
	}
}

static void stop(void *ctx)
{
	loop_exit(ctx, 0);
}

static void the_log_is_bounded_and_ends_with_the_latest(void **state)
{
	struct fixture *f = *state;
	struct loop_source *timer = loop_add_timer(f->loop, stop, f->loop);
	_cleanup_free_ char *log = NULL;
	struct stat st;
	size_t len = 0;
	int waiting;

	for (int i = 0; i < 500; i++) {
		flood(f, 20);
		/* the timer may come before the pipe, which would be full one day */
		do {
			loop_timer_set(timer, 0);
			assert_int_equal(loop_run(f->loop), 0);
			assert_int_equal(ioctl(f->writer, FIONREAD, &waiting), 0);
		} while (waiting);
	}
	say(f, "the last line\n");
	loop_source_free(timer);
	assert_int_equal(stat(f->log, &st), 0);
	assert_true(st.st_size > 0 && st.st_size <= CONSOLE_LOG_MAX);
	assert_int_equal(file_read(AT_FDCWD, f->log, CONSOLE_LOG_MAX, &log, &len), 0);
	assert_string_equal(log + len - 14, "the last line\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_tail_is_one_printable_line),
		TEST(a_long_tail_keeps_its_end),
		TEST(an_empty_console_has_no_tail),
		TEST(a_panic_is_found),
		TEST(the_log_is_bounded_and_ends_with_the_latest),
	};

	return cmocka_run_group_tests_name("proto/console", tests, NULL, NULL);
}
