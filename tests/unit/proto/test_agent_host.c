// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "proto/agent_host.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define DEADLINE_MS 5000

/* The host's end over one side of a socket pair; the tests play the guest on the other. */
struct fixture {
	struct loop *loop;
	struct loop_source *deadline;
	struct agent_host *agent;
	int guest;
	struct buf received; /* the guest's */
	char *release;
	char said[4096]; /* what was delivered: "CHANNEL:TYPE(LENGTH) " */
	char told[512];	 /* what broken() or the last ERROR said */
	size_t output;
	uint32_t writable;
	int ready;
};

static void on_deadline(void *ctx)
{
	struct fixture *f = ctx;

	loop_exit(f->loop, -1);
}

static void on_hello(void *ctx, const char *release)
{
	struct fixture *f = ctx;

	mem_replace(&f->release, release);
	loop_exit(f->loop, 0);
}

static void on_deliver(void *ctx, uint32_t channel, uint16_t type, const void *payload, size_t len)
{
	struct frame frame = { .payload = payload, .len = (uint32_t)len };
	struct fixture *f = ctx;
	size_t used = strlen(f->said);
	struct err err = ERR_INIT;

	snprintf(f->said + used, sizeof(f->said) - used, "%u:%u(%zu) ", channel, type, len);
	if (type == MESSAGE_OUT || type == MESSAGE_ERR)
		f->output += len;
	if (type == MESSAGE_ERROR) {
		message_get_error(&frame, &err);
		snprintf(f->told, sizeof(f->told), "%s", err.msg);
	}
	loop_exit(f->loop, 0);
}

static void on_writable(void *ctx, uint32_t channel)
{
	struct fixture *f = ctx;

	f->writable = channel + 1;
	loop_exit(f->loop, 0);
}

static void on_ready(void *ctx)
{
	struct fixture *f = ctx;

	f->ready++;
	loop_exit(f->loop, 0);
}

static void on_broken(void *ctx, const struct err *err)
{
	struct fixture *f = ctx;

	snprintf(f->told, sizeof(f->told), "%s", err->msg);
	loop_exit(f->loop, 0);
}

static const struct agent_host_ops ops = {
	.hello = on_hello,
	.deliver = on_deliver,
	.writable = on_writable,
	.ready = on_ready,
	.broken = on_broken,
};

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	char *argv[] = { (char *)"true", NULL };
	struct guest_config config = { .hostname = (char *)"box", .layers = 2 };
	struct process process = { .argv = argv };
	struct timeval limit = { .tv_sec = DEADLINE_MS / 1000 };
	struct err err = ERR_INIT;
	int pair[2];

	assert_int_equal(loop_new(&f->loop, &err), 0);
	f->deadline = loop_add_timer(f->loop, on_deadline, f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->guest = pair[1];
	assert_int_equal(setsockopt(f->guest, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(
		agent_host_new(f->loop, pair[0], &config, &process, &ops, f, &f->agent, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	agent_host_free(f->agent);
	loop_source_free(f->deadline);
	loop_free(f->loop);
	fd_close(f->guest);
	buf_release(&f->received);
	free(f->release);
	free(f);
	return 0;
}

/* Runs the loop until something is reported; returns what was delivered since. */
static const char *wait_for_host(struct fixture *f)
{
	f->said[0] = '\0';
	loop_timer_set(f->deadline, DEADLINE_MS);
	assert_int_equal(loop_run(f->loop), 0);
	loop_timer_set(f->deadline, -1);
	return f->said;
}

static void guest_says(struct fixture *f, uint32_t channel, uint16_t type, const void *payload,
		       size_t len)
{
	assert_int_equal(frame_send(f->guest, channel, type, payload, len), 0);
}

static void guest_says_u32(struct fixture *f, uint32_t channel, uint16_t type, uint32_t value)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u32(&payload, value);
	guest_says(f, channel, type, payload.data, payload.len);
}

static struct frame guest_hears(struct fixture *f, uint16_t type)
{
	struct frame frame;

	assert_int_equal(frame_receive(f->guest, &f->received, &frame), 0);
	assert_int_equal(frame.type, type);
	return frame;
}

static void guest_greets(struct fixture *f, uint32_t version, const char *release)
{
	_cleanup_buf_ struct buf hello = BUF_INIT;

	wire_put_u32(&hello, version);
	wire_put_str(&hello, release);
	guest_says(f, 0, MESSAGE_HELLO, hello.data, hello.len);
	wait_for_host(f);
}

/* Up to where the workload's EXEC lies in the socket. */
static void guest_comes_up(struct fixture *f)
{
	guest_greets(f, MESSAGE_VERSION, "6.1.0");
	guest_hears(f, MESSAGE_CONFIGURE);
	guest_says(f, 0, MESSAGE_OK, NULL, 0);
}

static void guest_starts(struct fixture *f)
{
	guest_comes_up(f);
	guest_says_u32(f, 0, MESSAGE_STARTED, 1);
	assert_string_equal(wait_for_host(f), "0:3(4) ");
	guest_hears(f, MESSAGE_EXEC);
}

static void guest_fills_window(struct fixture *f)
{
	static const char data[FRAME_DATA_MAX];

	while (f->output < MESSAGE_WINDOW) {
		guest_says(f, 0, MESSAGE_OUT, data, sizeof(data));
		wait_for_host(f);
	}
}

static void assert_broken(struct fixture *f, const char *words)
{
	wait_for_host(f);
	if (!strstr(f->told, words))
		fail_msg("'%s' does not say '%s'", f->told, words);
	assert_string_equal(f->said, "");
	assert_int_equal(agent_host_room(f->agent, 0), 0);
}

static void an_agent_is_configured_and_told_what_to_run(void **state)
{
	struct guest_config config = { 0 };
	struct process process = { 0 };
	struct fixture *f = *state;
	struct frame frame;

	guest_greets(f, MESSAGE_VERSION, "6.1.0-test");
	assert_string_equal(f->release, "6.1.0-test");
	frame = guest_hears(f, MESSAGE_CONFIGURE);
	assert_int_equal(guest_config_get(&frame, &config), 0);
	assert_string_equal(config.hostname, "box");
	assert_int_equal(config.layers, 2);
	guest_says(f, 0, MESSAGE_OK, NULL, 0);
	guest_says_u32(f, 0, MESSAGE_STARTED, 1);
	assert_false(agent_host_started(f->agent));
	wait_for_host(f);
	assert_true(agent_host_started(f->agent));
	frame = guest_hears(f, MESSAGE_EXEC);
	assert_int_equal(process_get(&frame, &process), 0);
	assert_string_equal(process.argv[0], "true");
	guest_config_release(&config);
	process_release(&process);
}

static void a_workload_that_is_held_waits_for_its_release(void **state)
{
	struct fixture *f = *state;

	agent_host_hold(f->agent);
	agent_host_release(f->agent); /* too early: nothing */
	guest_comes_up(f);
	assert_string_equal(wait_for_host(f), "");
	assert_int_equal(f->ready, 1);
	assert_int_equal(recv(f->guest, (char[1]){ 0 }, 1, MSG_DONTWAIT), -1);
	agent_host_send(f->agent, 0, MESSAGE_RESIZE, "\x18\0\x50\0", 4);
	agent_host_release(f->agent);
	agent_host_release(f->agent);
	guest_hears(f, MESSAGE_EXEC);
	guest_hears(f, MESSAGE_RESIZE);
	guest_says_u32(f, 0, MESSAGE_STARTED, 1);
	assert_string_equal(wait_for_host(f), "0:3(4) ");
}

static void an_agent_that_starts_what_is_held_is_broken(void **state)
{
	struct fixture *f = *state;

	agent_host_hold(f->agent);
	guest_comes_up(f);
	wait_for_host(f);
	guest_says_u32(f, 0, MESSAGE_STARTED, 1);
	assert_broken(f, "before it was given a workload");
}

static void a_kernel_release_with_odd_bytes_is_made_printable(void **state)
{
	struct fixture *f = *state;

	guest_greets(f, MESSAGE_VERSION, "6.1\x1b[31m\n");
	assert_string_equal(f->release, "6.1?[31m?");
}

static void an_agent_of_another_version_is_refused(void **state)
{
	struct fixture *f = *state;

	guest_greets(f, MESSAGE_VERSION + 1, "6.1.0");
	assert_non_null(strstr(f->told, "another version"));
	assert_null(f->release);
}

static void a_machine_that_cannot_be_set_up_says_why(void **state)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	err_set(&err, -EIO, "layer1 is no erofs");
	message_put_error(&payload, &err);
	guest_greets(f, MESSAGE_VERSION, "6.1.0");
	guest_says(f, 0, MESSAGE_ERROR, payload.data, payload.len);
	assert_non_null(strstr(wait_for_host(f), "0:2("));
	assert_non_null(strstr(f->told, "layer1 is no erofs"));
}

static void what_is_sent_before_the_start_follows_it(void **state)
{
	struct fixture *f = *state;
	struct frame frame;

	agent_host_send(f->agent, 0, MESSAGE_RESIZE, "\x18\0\x50\0", 4);
	assert_true(agent_host_room(f->agent, 0) >= 3);
	agent_host_send(f->agent, 0, MESSAGE_IN, "abc", 3);
	guest_starts(f);
	guest_hears(f, MESSAGE_RESIZE);
	frame = guest_hears(f, MESSAGE_IN);
	assert_int_equal(frame.len, 3);
}

static void output_and_exit_come_in_order(void **state)
{
	struct fixture *f = *state;

	guest_starts(f);
	guest_says(f, 0, MESSAGE_OUT, "hello\n", 6);
	assert_string_equal(wait_for_host(f), "0:8(6) ");
	guest_says(f, 0, MESSAGE_ERR, "oops\n", 5);
	assert_string_equal(wait_for_host(f), "0:9(5) ");
	guest_says_u32(f, 0, MESSAGE_EXIT, 3);
	assert_string_equal(wait_for_host(f), "0:4(4) ");
	assert_false(agent_host_started(f->agent));
	agent_host_shutdown(f->agent);
	guest_hears(f, MESSAGE_SHUTDOWN);
}

static void questions_are_answered_once(void **state)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	const struct message_stats stats = { .memory_total = 1 };
	struct fixture *f = *state;
	struct frame frame;

	message_put_stats(&payload, &stats);
	guest_starts(f);
	agent_host_send(f->agent, 7, MESSAGE_STATS, NULL, 0);
	frame = guest_hears(f, MESSAGE_STATS);
	assert_int_equal(frame.channel, 7);
	guest_says(f, 7, MESSAGE_STATS, payload.data, payload.len);
	assert_string_equal(wait_for_host(f), "7:14(32) ");
	guest_says(f, 7, MESSAGE_STATS, payload.data, payload.len);
	assert_broken(f, "unexpected message 14 on channel 7");
}

static void a_signal_for_a_process_that_has_ended_goes_nowhere(void **state)
{
	struct fixture *f = *state;

	guest_starts(f);
	agent_host_send(f->agent, 5, MESSAGE_EXEC, "x", 1);
	guest_hears(f, MESSAGE_EXEC);
	guest_says_u32(f, 5, MESSAGE_STARTED, 9);
	wait_for_host(f);
	guest_says_u32(f, 5, MESSAGE_EXIT, 0);
	wait_for_host(f);
	agent_host_send(f->agent, 5, MESSAGE_SIGNAL, "\x0f\0\0\0", 4);
	agent_host_send(f->agent, 5, MESSAGE_CLOSE, NULL, 0);
	agent_host_send(f->agent, 6, MESSAGE_STATS, NULL, 0);
	guest_hears(f, MESSAGE_STATS);
}

static void input_stops_at_the_window_and_goes_on_with_credit(void **state)
{
	static const char data[FRAME_DATA_MAX];
	struct fixture *f = *state;
	size_t sent = 0;

	guest_starts(f);
	while (sent < MESSAGE_WINDOW) {
		if (agent_host_room(f->agent, 0) >= sizeof(data)) {
			agent_host_send(f->agent, 0, MESSAGE_IN, data, sizeof(data));
			sent += sizeof(data);
		} else {
			/* the queue is full: it drains as the guest reads */
			guest_hears(f, MESSAGE_IN);
			wait_for_host(f);
			assert_int_equal(f->writable, 1);
		}
	}
	assert_int_equal(agent_host_room(f->agent, 0), 0);
	f->writable = 0;
	guest_says_u32(f, 0, MESSAGE_CREDIT_IN, sizeof(data));
	while (!f->writable) {
		guest_hears(f, MESSAGE_IN);
		wait_for_host(f);
	}
	assert_int_equal(agent_host_room(f->agent, 0), sizeof(data));
}

static void output_is_given_back_as_it_is_consumed(void **state)
{
	struct fixture *f = *state;
	struct frame frame;
	struct wire_reader r;

	guest_starts(f);
	guest_fills_window(f);
	agent_host_consumed(f->agent, 0, MESSAGE_WINDOW);
	frame = guest_hears(f, MESSAGE_CREDIT_OUT);
	r = wire_read(frame.payload, frame.len);
	assert_int_equal(wire_get_u32(&r), MESSAGE_WINDOW);
	guest_says(f, 0, MESSAGE_OUT, "x", 1);
	assert_string_equal(wait_for_host(f), "0:8(1) ");
}

static void more_output_than_the_window_is_a_breach(void **state)
{
	struct fixture *f = *state;

	guest_starts(f);
	guest_fills_window(f);
	guest_says(f, 0, MESSAGE_OUT, "x", 1);
	assert_broken(f, "more output than the window");
}

static void more_credit_than_was_used_is_a_breach(void **state)
{
	struct fixture *f = *state;

	guest_starts(f);
	guest_says_u32(f, 0, MESSAGE_CREDIT_IN, 1);
	assert_broken(f, "more credit");
}

static void input_may_be_given_back_before_the_start(void **state)
{
	struct fixture *f = *state;

	guest_comes_up(f);
	agent_host_send(f->agent, 0, MESSAGE_IN, "x", 1);
	guest_says_u32(f, 0, MESSAGE_CREDIT_IN, 1);
	guest_says_u32(f, 0, MESSAGE_STARTED, 1);
	assert_string_equal(wait_for_host(f), "0:3(4) ");
}

static void output_before_the_start_is_a_breach(void **state)
{
	struct fixture *f = *state;

	guest_comes_up(f);
	guest_says(f, 0, MESSAGE_OUT, "x", 1);
	assert_broken(f, "unexpected message 8 on channel 0");
}

static void a_channel_that_nobody_opened_is_a_breach(void **state)
{
	struct fixture *f = *state;

	guest_starts(f);
	guest_says_u32(f, 3, MESSAGE_EXIT, 0);
	assert_broken(f, "unexpected message 4 on channel 3");
}

static void an_exit_status_is_a_byte(void **state)
{
	struct fixture *f = *state;

	guest_starts(f);
	guest_says_u32(f, 0, MESSAGE_EXIT, 256);
	assert_broken(f, "exit status");
}

static void bytes_that_are_no_frame_are_a_breach(void **state)
{
	struct fixture *f = *state;

	guest_starts(f);
	assert_int_equal(send(f->guest, "\xff\xff\xff\xff\1\0\0\0\0\0\0\0", 12, 0), 12);
	assert_broken(f, "no frame");
}

static void an_error_is_passed_on_without_control_characters(void **state)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct fixture *f = *state;

	wire_put_u32(&payload, (uint32_t)-ENOENT);
	wire_put_u32(&payload, 127);
	wire_put_str(&payload, "no\x1b[2Jsuch file");
	guest_comes_up(f);
	guest_says(f, 0, MESSAGE_ERROR, payload.data, payload.len);
	wait_for_host(f);
	assert_string_equal(f->told, "no?[2Jsuch file");
}

static void what_the_agent_said_last_arrives_after_the_machines_end(void **state)
{
	struct fixture *f = *state;

	guest_starts(f);
	guest_says(f, 0, MESSAGE_OUT, "bye", 3);
	guest_says_u32(f, 0, MESSAGE_EXIT, 0);
	f->guest = fd_close(f->guest);
	f->said[0] = '\0';
	agent_host_drain(f->agent);
	assert_string_equal(f->said, "0:8(3) 0:4(4) ");
}

static void every_open_channel_ends_with_the_machine(void **state)
{
	struct fixture *f = *state;
	struct err why = ERR_INIT;

	guest_starts(f);
	agent_host_send(f->agent, 1, MESSAGE_EXEC, "x", 1);
	agent_host_send(f->agent, 2, MESSAGE_PROCS, NULL, 0);
	guest_says_u32(f, 1, MESSAGE_STARTED, 2);
	wait_for_host(f);
	f->said[0] = '\0';
	err_set(&why, -EIO, "the machine caught fire");
	agent_host_end(f->agent, &why);
	assert_non_null(strstr(f->said, "0:4(4)"));
	assert_non_null(strstr(f->said, "1:4(4)"));
	assert_non_null(strstr(f->said, "2:2("));
	assert_string_equal(f->told, "the machine caught fire");
	agent_host_send(f->agent, 3, MESSAGE_IN, "x", 1);
	assert_int_equal(agent_host_room(f->agent, 0), 0);
}

static void a_command_that_fits_no_frame_is_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *big = mem_zalloc(FRAME_PAYLOAD_MAX + 2);
	char *argv[] = { big, NULL };
	struct guest_config config = { 0 };
	struct process process = { .argv = argv };
	struct agent_host *agent = NULL;
	struct err err = ERR_INIT;
	int pair[2];

	memset(big, 'x', FRAME_PAYLOAD_MAX + 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(agent_host_new(f->loop, pair[0], &config, &process, &ops, f, &agent, &err),
			 -E2BIG);
	assert_null(agent);
	fd_close(pair[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_agent_is_configured_and_told_what_to_run),
		TEST(a_workload_that_is_held_waits_for_its_release),
		TEST(an_agent_that_starts_what_is_held_is_broken),
		TEST(a_kernel_release_with_odd_bytes_is_made_printable),
		TEST(an_agent_of_another_version_is_refused),
		TEST(a_machine_that_cannot_be_set_up_says_why),
		TEST(what_is_sent_before_the_start_follows_it),
		TEST(output_and_exit_come_in_order),
		TEST(questions_are_answered_once),
		TEST(a_signal_for_a_process_that_has_ended_goes_nowhere),
		TEST(input_stops_at_the_window_and_goes_on_with_credit),
		TEST(output_is_given_back_as_it_is_consumed),
		TEST(more_output_than_the_window_is_a_breach),
		TEST(more_credit_than_was_used_is_a_breach),
		TEST(input_may_be_given_back_before_the_start),
		TEST(output_before_the_start_is_a_breach),
		TEST(a_channel_that_nobody_opened_is_a_breach),
		TEST(an_exit_status_is_a_byte),
		TEST(bytes_that_are_no_frame_are_a_breach),
		TEST(an_error_is_passed_on_without_control_characters),
		TEST(what_the_agent_said_last_arrives_after_the_machines_end),
		TEST(every_open_channel_ends_with_the_machine),
		TEST(a_command_that_fits_no_frame_is_refused),
	};

	return cmocka_run_group_tests_name("proto/agent_host", tests, NULL, NULL);
}
