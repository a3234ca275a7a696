// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/message.h"
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct frame frame_of(const struct buf *payload)
{
	return (struct frame){ .len = (uint32_t)payload->len, .payload = (uint8_t *)payload->data };
}

static void an_error_arrives_with_its_code_and_exit_status(void **state _unused_)
{
	struct err sent = { .code = -ENOENT, .exit_status = 127, .msg = "no such program" };
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;
	struct frame frame;

	message_put_error(&payload, &sent);
	frame = frame_of(&payload);
	assert_int_equal(message_get_error(&frame, &err), -ENOENT);
	assert_int_equal(err.exit_status, 127);
	assert_string_equal(err.msg, "no such program");
}

static void an_error_cannot_write_on_the_terminal(void **state _unused_)
{
	struct err sent = { .code = -EIO, .msg = "a\033[2Jb\nc" };
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;
	struct frame frame;

	message_put_error(&payload, &sent);
	frame = frame_of(&payload);
	assert_int_equal(message_get_error(&frame, &err), -EIO);
	assert_string_equal(err.msg, "a?[2Jb?c");
}

static void an_error_that_is_none_is_an_error(void **state _unused_)
{
	static const uint32_t codes[] = { 0, 1, (uint32_t)-4096, (uint32_t)INT32_MIN };

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		_cleanup_buf_ struct buf payload = BUF_INIT;
		struct err err = ERR_INIT;
		struct frame frame;

		wire_put_u32(&payload, codes[i]);
		wire_put_u32(&payload, 125);
		wire_put_str(&payload, "fine");
		frame = frame_of(&payload);
		assert_int_equal(message_get_error(&frame, &err), -EBADMSG);
		assert_true(err_is_set(&err));
	}
}

static void an_exit_status_out_of_range_becomes_brigs_own(void **state _unused_)
{
	struct err sent = { .code = -EIO, .exit_status = 1000, .msg = "x" };
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;
	struct frame frame;

	message_put_error(&payload, &sent);
	frame = frame_of(&payload);
	assert_int_equal(message_get_error(&frame, &err), -EIO);
	assert_int_equal(err.exit_status, 125);
}

static void figures_come_back(void **state _unused_)
{
	struct message_stats sent = { 1, UINT64_MAX, 3, 4 }, stats = { 0 };
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct frame frame;

	message_put_stats(&payload, &sent);
	frame = frame_of(&payload);
	assert_int_equal(message_get_stats(&frame, &stats), 0);
	assert_memory_equal(&stats, &sent, sizeof(sent));
	frame.len--;
	assert_int_equal(message_get_stats(&frame, &stats), -EBADMSG);
}

static void limits_come_back_and_leave_a_cpu(void **state)
{
	const struct message_tune sent = { .cpus = 3, .pids_limit = 77 };
	_cleanup_buf_ struct buf payload = BUF_INIT, none = BUF_INIT;
	struct message_tune tune = { 0 };
	struct frame frame;

	(void)state;
	message_put_tune(&payload, &sent);
	frame = frame_of(&payload);
	assert_int_equal(message_get_tune(&frame, &tune), 0);
	assert_int_equal(tune.cpus, 3);
	assert_int_equal(tune.pids_limit, 77);
	frame.len--;
	assert_int_equal(message_get_tune(&frame, &tune), -EBADMSG);
	message_put_tune(&none, &(struct message_tune){ .pids_limit = 1 });
	frame = frame_of(&none);
	assert_int_equal(message_get_tune(&frame, &tune), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_arrives_with_its_code_and_exit_status),
		cmocka_unit_test(an_error_cannot_write_on_the_terminal),
		cmocka_unit_test(an_error_that_is_none_is_an_error),
		cmocka_unit_test(an_exit_status_out_of_range_becomes_brigs_own),
		cmocka_unit_test(figures_come_back),
		cmocka_unit_test(limits_come_back_and_leave_a_cpu),
	};

	return cmocka_run_group_tests_name("proto/message", tests, NULL, NULL);
}
