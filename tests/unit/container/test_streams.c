// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/streams.h"
#include "proto/message.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* A workload of pipes: what we write to out[1] it "prints", what comes out of in[0] it "reads". */
struct fixture {
	struct loop *loop;
	struct streams streams;
	int in, out, err;
	size_t seen, held; /* output bytes; those not given back yet */
	size_t room_wanted;
	int consume, drained, writable;
	size_t want; /* leave the loop when seen reaches this */
};

static void on_output(void *ctx, uint16_t type, const void *data, size_t len)
{
	struct fixture *f = ctx;

	(void)data;
	assert_true(type == MESSAGE_OUT || type == MESSAGE_ERR);
	assert_true(len <= FRAME_DATA_MAX);
	f->seen += len;
	f->held += len;
	assert_true(f->held <= MESSAGE_WINDOW);
	if (f->consume) {
		f->held -= len;
		streams_consumed(&f->streams, len);
	}
	if (f->want && f->seen >= f->want)
		loop_exit(f->loop, 0);
}

static void on_writable(void *ctx)
{
	struct fixture *f = ctx;

	f->writable++;
	loop_exit(f->loop, 0);
}

static void on_drained(void *ctx)
{
	struct fixture *f = ctx;

	f->drained++;
	loop_exit(f->loop, 0);
}

static const struct streams_ops ops = { on_output, on_writable, on_drained };

static int setup(void **state)
{
	static struct fixture f;
	struct err err = ERR_INIT;
	int in[2], out[2], error[2], stdio[3];

	f = (struct fixture){ .consume = 1 };
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC) < 0 ||
	    loop_new(&f.loop, &err) < 0)
		return -1;
	if (fcntl(in[1], F_SETFL, O_NONBLOCK) < 0 || fcntl(in[0], F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(out[1], F_SETFL, O_NONBLOCK) < 0)
		return -1;
	f.in = in[0];
	f.out = out[1];
	f.err = error[1];
	stdio[0] = in[1];
	stdio[1] = out[0];
	stdio[2] = error[0];
	*state = &f;
	return streams_init(&f.streams, f.loop, &ops, &f, stdio, 0, &err);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	streams_release(&f->streams);
	loop_free(f->loop);
	fd_close(f->in);
	fd_close(f->out);
	fd_close(f->err);
	return 0;
}

/* Fills a pipe until it takes no more. */
static size_t fill(int fd)
{
	static const char data[4096];
	size_t total = 0;
	ssize_t n;

	while ((n = write(fd, data, sizeof(data))) > 0)
		total += (size_t)n;
	return total;
}

static void output_goes_on_as_it_comes(void **state)
{
	struct fixture *f = *state;

	f->want = 5;
	assert_int_equal(write(f->out, "abc", 3), 3);
	assert_int_equal(write(f->err, "de", 2), 2);
	loop_run(f->loop);
	assert_int_equal(f->seen, 5);
}

static void reading_stops_when_nobody_consumes(void **state)
{
	struct fixture *f = *state;
	size_t written = 0;

	f->consume = 0;
	while (f->held < MESSAGE_WINDOW) {
		written += fill(f->out);
		f->want = f->seen + 1;
		loop_run(f->loop);
	}
	assert_int_equal(f->held, MESSAGE_WINDOW);
	/* what is given back lets as much through */
	f->want = f->seen + 1000;
	f->held -= 1000;
	streams_consumed(&f->streams, 1000);
	written += fill(f->out);
	loop_run(f->loop);
	assert_int_equal(f->held, MESSAGE_WINDOW);
	assert_true(written > f->seen);
}

static void nothing_is_lost_at_the_end_even_if_consumed_late(void **state)
{
	struct fixture *f = *state;
	size_t written;

	f->consume = 0;
	f->held = f->streams.unconsumed = MESSAGE_WINDOW - 10;
	written = fill(f->out);
	f->out = fd_close(f->out);
	f->err = fd_close(f->err);
	streams_finish(&f->streams);
	assert_int_equal(f->seen, 10);
	assert_int_equal(f->drained, 0);
	f->consume = 1;
	f->held -= MESSAGE_WINDOW - 10;
	streams_consumed(&f->streams, MESSAGE_WINDOW - 10);
	assert_int_equal(f->seen, written);
	assert_int_equal(f->drained, 1);
}

static void a_stream_that_somebody_else_holds_open_does_not_hold_up_the_end(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write(f->out, "x", 1), 1);
	streams_finish(&f->streams);
	assert_int_equal(f->seen, 1);
	assert_int_equal(f->drained, 1);
}

static void input_is_buffered_up_to_its_room(void **state)
{
	static char data[MESSAGE_WINDOW], got[MESSAGE_WINDOW];
	struct fixture *f = *state;
	size_t left;

	assert_int_equal(streams_room(&f->streams), MESSAGE_WINDOW);
	streams_input(&f->streams, data, sizeof(data));
	left = streams_room(&f->streams);
	assert_true(left < MESSAGE_WINDOW && left > 0);
	streams_input(&f->streams, data, left);
	assert_int_equal(streams_room(&f->streams), 0);
	assert_int_equal(f->writable, 0);
	assert_true(read(f->in, got, sizeof(got)) >= FRAME_DATA_MAX);
	loop_run(f->loop); /* until somebody is told that there is room */
	assert_int_equal(f->writable, 1);
	assert_true(streams_room(&f->streams) >= FRAME_DATA_MAX);
}

static void input_ends_after_its_last_byte(void **state)
{
	struct fixture *f = *state;
	char got[8];

	streams_input(&f->streams, "abc", 3);
	streams_input_end(&f->streams);
	assert_int_equal(read(f->in, got, sizeof(got)), 3);
	assert_int_equal(read(f->in, got, sizeof(got)), 0);
}

static void input_that_nobody_reads_is_dropped(void **state)
{
	static const char data[1000];
	struct fixture *f = *state;

	f->in = fd_close(f->in);
	streams_input(&f->streams, data, sizeof(data));
	assert_int_equal(streams_room(&f->streams), MESSAGE_WINDOW);
	streams_input(&f->streams, data, sizeof(data));
	streams_input_end(&f->streams);
	assert_int_equal(streams_room(&f->streams), MESSAGE_WINDOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(output_goes_on_as_it_comes, setup, teardown),
		cmocka_unit_test_setup_teardown(reading_stops_when_nobody_consumes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nothing_is_lost_at_the_end_even_if_consumed_late,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_stream_that_somebody_else_holds_open_does_not_hold_up_the_end, setup,
			teardown),
		cmocka_unit_test_setup_teardown(input_is_buffered_up_to_its_room, setup, teardown),
		cmocka_unit_test_setup_teardown(input_ends_after_its_last_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(input_that_nobody_reads_is_dropped, setup,
						teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
