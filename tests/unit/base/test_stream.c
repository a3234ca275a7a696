// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/stream.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

struct test {
	struct loop *loop;
	struct stream stream;
	int peer;
};

static void on_event(void *ctx, uint32_t events _unused_)
{
	struct test *test = ctx;

	loop_exit(test->loop, 1);
}

static int setup(void **state)
{
	static struct test test;
	struct err err = ERR_INIT;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
	    loop_new(&test.loop, &err) < 0)
		return -1;
	test.peer = fds[1];
	*state = &test;
	return stream_init(&test.stream, test.loop, fds[0], on_event, &test, &err);
}

static int teardown(void **state)
{
	struct test *test = *state;

	stream_release(&test->stream);
	loop_free(test->loop);
	fd_close(test->peer);
	return 0;
}

static void what_comes_is_added_to_what_is_there(void **state)
{
	struct test *test = *state;

	assert_int_equal(stream_fill(&test->stream, 4), 0);
	assert_int_equal(write(test->peer, "abcdef", 6), 6);
	assert_int_equal(loop_run(test->loop), 1);
	assert_int_equal(stream_fill(&test->stream, 4), 1);
	assert_string_equal(test->stream.in.data, "abcd");
	assert_int_equal(stream_fill(&test->stream, 4), 1);
	assert_string_equal(test->stream.in.data, "abcdef");
	assert_int_equal(stream_fill(&test->stream, 4), 0);
}

static void the_other_sides_end_is_told(void **state)
{
	struct test *test = *state;

	assert_int_equal(write(test->peer, "x", 1), 1);
	test->peer = fd_close(test->peer);
	buf_add_str(&test->stream.out, "more");
	assert_int_equal(stream_flush(&test->stream), -EPIPE);
	assert_int_equal(stream_fill(&test->stream, 4), 1);
	assert_int_equal(stream_fill(&test->stream, 4), -EPIPE);
}

static void what_the_socket_does_not_take_waits(void **state)
{
	struct test *test = *state;
	static char chunk[1 << 20], got[1 << 20];
	size_t before = sizeof(chunk), seen = 0;

	for (size_t i = 0; i < sizeof(chunk); i++)
		chunk[i] = (char)(i * 7 >> 3);
	buf_add(&test->stream.out, chunk, sizeof(chunk));
	while (seen < sizeof(chunk)) {
		ssize_t n;

		assert_int_equal(stream_flush(&test->stream), 0);
		assert_true(test->stream.out.len < before);
		before = test->stream.out.len + 1;
		n = read(test->peer, got + seen, sizeof(got) - seen);
		assert_true(n > 0);
		seen += (size_t)n;
	}
	assert_int_equal(test->stream.out.len, 0);
	assert_memory_equal(got, chunk, sizeof(chunk));
}

static void what_is_not_watched_can_still_be_read(void **state)
{
	struct test *test = *state;

	stream_unwatch(&test->stream);
	assert_null(test->stream.source);
	assert_int_equal(write(test->peer, "last", 4), 4);
	assert_int_equal(stream_fill(&test->stream, 64), 1);
	assert_string_equal(test->stream.in.data, "last");
}

static void what_cannot_be_watched_is_closed(void **state)
{
	struct test *test = *state;
	struct err err = ERR_INIT;
	struct stream stream;

	assert_true(stream_init(&stream, test->loop, -EBADF, on_event, test, &err) < 0);
	assert_true(err_is_set(&err));
	assert_int_equal(stream.fd, -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_comes_is_added_to_what_is_there, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_other_sides_end_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_socket_does_not_take_waits, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_not_watched_can_still_be_read, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_watched_is_closed, setup, teardown),
	};

	return cmocka_run_group_tests_name("base/stream", tests, NULL, NULL);
}
