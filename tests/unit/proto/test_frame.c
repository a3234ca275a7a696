// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/frame.h"
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

static void a_frame_is_whole_only_with_its_last_byte(void **state _unused_)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct frame frame = { 0 };

	frame_put(&buf, 7, 9, "payload", 7);
	assert_int_equal(buf.len, FRAME_HEADER_SIZE + 7);
	for (size_t len = 0; len < buf.len; len++)
		assert_int_equal(frame_parse(buf.data, len, &frame), 0);
	assert_int_equal(frame_parse(buf.data, buf.len, &frame), 1);
	assert_int_equal(frame.channel, 7);
	assert_int_equal(frame.type, 9);
	assert_int_equal(frame.len, 7);
	assert_memory_equal(frame.payload, "payload", 7);
}

static void what_can_be_no_frame_is_refused(void **state _unused_)
{
	_cleanup_buf_ struct buf large = BUF_INIT, odd = BUF_INIT;
	struct frame frame = { 0 };

	wire_put_u32(&large, FRAME_PAYLOAD_MAX + 1);
	wire_put_u64(&large, 0);
	assert_int_equal(frame_parse(large.data, large.len, &frame), -EBADMSG);
	frame_put(&odd, 1, 1, NULL, 0);
	odd.data[6] = 1; /* the two bytes that are zero */
	assert_int_equal(frame_parse(odd.data, odd.len, &frame), -EBADMSG);
}

static void frames_pass_through_a_socket_one_by_one(void **state _unused_)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct frame frame = { 0 };
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(frame_send(ends[0], 1, 2, "first", 5), 0);
	assert_int_equal(frame_send(ends[0], 3, 4, NULL, 0), 0);
	assert_int_equal(frame_receive(ends[1], &buf, &frame), 0);
	assert_int_equal(frame.len, 5);
	assert_memory_equal(frame.payload, "first", 5);
	assert_int_equal(frame_receive(ends[1], &buf, &frame), 0);
	assert_int_equal(frame.channel, 3);
	assert_int_equal(frame.type, 4);
	assert_int_equal(frame.len, 0);
	fd_close(ends[0]);
	assert_int_equal(frame_receive(ends[1], &buf, &frame), -EPIPE);
	assert_int_equal(frame_send(ends[1], 1, 1, NULL, 0), -EPIPE);
	fd_close(ends[1]);
}

static void a_frame_that_breaks_off_is_the_end_of_the_stream(void **state _unused_)
{
	_cleanup_buf_ struct buf buf = BUF_INIT, out = BUF_INIT;
	struct frame frame = { 0 };
	int ends[2];

	frame_put(&out, 1, 1, "payload", 7);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(write(ends[0], out.data, out.len - 1), out.len - 1);
	fd_close(ends[0]);
	assert_int_equal(frame_receive(ends[1], &buf, &frame), -EPIPE);
	fd_close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_whole_only_with_its_last_byte),
		cmocka_unit_test(what_can_be_no_frame_is_refused),
		cmocka_unit_test(frames_pass_through_a_socket_one_by_one),
		cmocka_unit_test(a_frame_that_breaks_off_is_the_end_of_the_stream),
	};

	return cmocka_run_group_tests_name("proto/frame", tests, NULL, NULL);
}
