// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/dev/uart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

struct stage {
	struct loop *loop;
	struct uart *uart;
	struct loop_source *source;
	int other, line, rises;
	size_t want, got;
	char text[64];
};

static void stage_set_line(void *ctx, int level)
{
	struct stage *stage = ctx;

	stage->rises += level && !stage->line;
	stage->line = level;
	if (level && stage->want == 0)
		loop_exit(stage->loop, 0);
}

static void stage_open(struct stage *stage)
{
	struct err err = ERR_INIT;
	int pair[2];

	memset(stage, 0, sizeof(*stage));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	stage->other = pair[1];
	assert_int_equal(loop_new(&stage->loop, &err), 0);
	assert_int_equal(uart_new(stage->loop, pair[0], stage_set_line, stage, &stage->uart, &err),
			 0);
}

static void stage_close(struct stage *stage)
{
	uart_free(stage->uart);
	loop_source_free(stage->source);
	loop_free(stage->loop);
	fd_close(stage->other);
}

static void put(struct stage *stage, uint64_t reg, uint8_t value)
{
	uart_bus_ops.write(stage->uart, reg, &value, 1);
}

static uint8_t get(struct stage *stage, uint64_t reg)
{
	uint8_t value = 0;

	uart_bus_ops.read(stage->uart, reg, &value, 1);
	return value;
}

static void stage_on_text(void *ctx, uint32_t events _unused_)
{
	struct stage *stage = ctx;
	ssize_t n = read(stage->other, stage->text + stage->got, stage->want - stage->got);

	assert_true(n > 0);
	stage->got += (size_t)n;
	if (stage->got == stage->want)
		loop_exit(stage->loop, 0);
}

static void what_the_guest_writes_comes_out(void **state _unused_)
{
	struct stage stage;

	stage_open(&stage);
	for (const char *p = "hello"; *p; p++) {
		assert_int_equal(get(&stage, 5) & 0x20, 0x20);
		put(&stage, 0, (uint8_t)*p);
	}
	stage.want = 5;
	stage.source = loop_watch_fd(stage.loop, stage.other, EPOLLIN, stage_on_text, &stage);
	assert_int_equal(loop_run(stage.loop), 0);
	assert_string_equal(stage.text, "hello");
	stage_close(&stage);
}

static void what_comes_in_raises_an_interrupt(void **state _unused_)
{
	struct stage stage;

	stage_open(&stage);
	put(&stage, 4, 0x0b);
	put(&stage, 1, 0x01);
	assert_int_equal(write(stage.other, "ab", 2), 2);
	assert_int_equal(loop_run(stage.loop), 0);
	assert_int_equal(get(&stage, 2) & 0x0f, 0x04);
	assert_int_equal(get(&stage, 5) & 1, 1);
	assert_int_equal(get(&stage, 0), 'a');
	assert_int_equal(stage.line, 1);
	assert_int_equal(get(&stage, 0), 'b');
	assert_int_equal(stage.line, 0);
	assert_int_equal(get(&stage, 5) & 1, 0);
	stage_close(&stage);
}

static void an_empty_transmitter_interrupts_until_it_is_identified(void **state _unused_)
{
	struct stage stage;

	stage_open(&stage);
	stage.want = 1;
	put(&stage, 4, 0x08);
	put(&stage, 1, 0x02);
	assert_int_equal(stage.line, 1);
	assert_int_equal(get(&stage, 2) & 0x0f, 0x02);
	assert_int_equal(stage.line, 0);
	put(&stage, 0, 'x');
	assert_int_equal(stage.rises, 2);
	stage_close(&stage);
}

static void a_reader_that_sleeps_holds_up_nobody_and_sees_the_end(void **state _unused_)
{
	struct stage stage;
	char text[UART_RING], last = '\0';
	ssize_t n;

	stage_open(&stage);
	for (size_t i = 0; i < (size_t)3 * UART_RING; i++)
		put(&stage, 0, i < (size_t)2 * UART_RING ? 'o' : 'n');
	stage.uart = uart_free(stage.uart);
	while ((n = read(stage.other, text, sizeof(text))) > 0)
		last = text[n - 1];
	assert_int_equal(last, 'n');
	stage_close(&stage);
}

static void a_driver_finds_it_by_its_loop_back(void **state _unused_)
{
	struct stage stage;

	stage_open(&stage);
	stage.want = 1;
	put(&stage, 4, 0x1a);
	assert_int_equal(get(&stage, 6) & 0xf0, 0x90);
	put(&stage, 0, 'y');
	assert_int_equal(get(&stage, 0), 'y');
	put(&stage, 3, 0x80);
	put(&stage, 0, 1);
	put(&stage, 1, 2);
	assert_int_equal(get(&stage, 0), 1);
	put(&stage, 3, 0x03);
	put(&stage, 7, 0x5a);
	assert_int_equal(get(&stage, 7), 0x5a);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_guest_writes_comes_out),
		cmocka_unit_test(what_comes_in_raises_an_interrupt),
		cmocka_unit_test(an_empty_transmitter_interrupts_until_it_is_identified),
		cmocka_unit_test(a_reader_that_sleeps_holds_up_nobody_and_sees_the_end),
		cmocka_unit_test(a_driver_finds_it_by_its_loop_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
