// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/loop.h"
#include "base/units.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <cmocka.h>

struct fixture {
	struct loop *loop;
	struct loop_source *a, *b, *timer;
	int fd[2];
	int calls_a, calls_b, timeouts;
	uint32_t events;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	*state = f;
	return loop_new(&f->loop, &err) < 0 ||
	       socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, f->fd) < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_source_free(f->a);
	loop_source_free(f->b);
	loop_source_free(f->timer);
	loop_free(f->loop);
	fd_close(f->fd[0]);
	fd_close(f->fd[1]);
	free(f);
	return 0;
}

static void on_deadline(void *ctx)
{
	struct fixture *f = ctx;

	f->timeouts++;
	loop_exit(f->loop, -ETIMEDOUT);
}

/* Runs for at most this long; -ETIMEDOUT if nothing ended it. */
static int run_for(struct fixture *f, int64_t ms)
{
	if (!f->timer)
		f->timer = loop_add_timer(f->loop, on_deadline, f);
	loop_timer_set(f->timer, ms);
	return loop_run(f->loop);
}

static void on_readable(void *ctx, uint32_t events)
{
	struct fixture *f = ctx;
	char c;

	f->calls_a++;
	f->events = events;
	if (read(f->fd[0], &c, 1) == 1)
		loop_exit(f->loop, c);
	else
		loop_exit(f->loop, 0);
}

static void a_readable_descriptor_calls_and_exit_gives_its_value(void **state)
{
	struct fixture *f = *state;

	f->a = loop_watch_fd(f->loop, f->fd[0], EPOLLIN, on_readable, f);
	assert_int_equal(write(f->fd[1], "xy", 2), 2);
	assert_int_equal(run_for(f, 5000), 'x');
	assert_int_equal(run_for(f, 5000), 'y');
	assert_int_equal(f->calls_a, 2);
}

static void a_hang_up_is_reported_unless_nothing_is_waited_for(void **state)
{
	struct fixture *f = *state;

	f->a = loop_watch_fd(f->loop, f->fd[0], 0, on_readable, f);
	f->fd[1] = fd_close(f->fd[1]);
	assert_int_equal(run_for(f, 20), -ETIMEDOUT);
	assert_int_equal(f->calls_a, 0);
	loop_source_set_events(f->a, EPOLLIN);
	assert_int_equal(run_for(f, 5000), 0);
	assert_true(f->events & EPOLLHUP);
}

static void an_exit_before_the_run_ends_it_at_once(void **state)
{
	struct fixture *f = *state;

	loop_exit(f->loop, 7);
	assert_int_equal(run_for(f, 5000), 7);
	assert_int_equal(run_for(f, 1), -ETIMEDOUT);
}

static void on_first_frees_both(void *ctx, uint32_t events _unused_)
{
	struct fixture *f = ctx;

	f->calls_a++;
	f->a = loop_source_free(f->a);
	f->b = loop_source_free(f->b);
	loop_exit(f->loop, 1);
}

static void on_second_frees_both(void *ctx, uint32_t events)
{
	struct fixture *f = ctx;

	f->calls_b++;
	on_first_frees_both(ctx, events);
	f->calls_a--;
}

static void a_source_freed_by_another_in_one_round_is_not_called(void **state)
{
	struct fixture *f = *state;

	f->a = loop_watch_fd(f->loop, f->fd[0], EPOLLOUT, on_first_frees_both, f);
	f->b = loop_watch_fd(f->loop, f->fd[1], EPOLLOUT, on_second_frees_both, f);
	assert_int_equal(run_for(f, 5000), 1);
	assert_int_equal(f->calls_a + f->calls_b, 1);
}

static void on_first_stops_other(void *ctx, uint32_t events _unused_)
{
	struct fixture *f = ctx;

	f->calls_a++;
	loop_source_set_events(f->a, 0);
	loop_source_set_events(f->b, 0);
}

/* Flow control counts on it: who stops a source is not called by it, also not in the same round. */
static void a_source_stopped_by_another_in_one_round_is_not_called(void **state)
{
	struct fixture *f = *state;

	f->a = loop_watch_fd(f->loop, f->fd[0], EPOLLOUT, on_first_stops_other, f);
	f->b = loop_watch_fd(f->loop, f->fd[1], EPOLLOUT, on_first_stops_other, f);
	assert_int_equal(run_for(f, 20), -ETIMEDOUT);
	assert_int_equal(f->calls_a, 1);
}

static void on_regular(void *ctx, uint32_t events)
{
	struct fixture *f = ctx;

	f->events = events;
	if (++f->calls_b == 3)
		f->b = loop_source_free(f->b);
}

static void a_regular_file_is_always_ready_and_holds_up_nobody(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	f->b = loop_watch_fd(f->loop, fd, EPOLLIN, on_regular, f);
	f->a = loop_watch_fd(f->loop, f->fd[0], EPOLLIN, on_readable, f);
	assert_non_null(f->b);
	assert_int_equal(run_for(f, 20), -ETIMEDOUT);
	assert_int_equal(f->calls_b, 3);
	assert_int_equal(f->events, EPOLLIN);
	assert_int_equal(write(f->fd[1], "x", 1), 1);
	assert_int_equal(run_for(f, 5000), 'x');
}

static void on_timer(void *ctx)
{
	struct fixture *f = ctx;

	if (++f->timeouts == 1)
		loop_timer_set(f->timer, 0);
	else
		loop_exit(f->loop, f->timeouts);
}

static void a_timer_fires_once_per_arming_and_not_early(void **state)
{
	struct fixture *f = *state;
	int64_t before = units_monotonic();

	f->timer = loop_add_timer(f->loop, on_timer, f);
	loop_timer_set(f->timer, 1);
	loop_timer_set(f->timer, -1);
	loop_timer_set(f->timer, 15);
	assert_int_equal(loop_run(f->loop), 2);
	assert_true(units_monotonic() - before >= 15000000);
}

static void on_signal(void *ctx, int number)
{
	struct fixture *f = ctx;

	f->calls_a++;
	loop_exit(f->loop, number);
}

static void signals_come_through_the_loop(void **state)
{
	static const int wanted[] = { SIGUSR1, SIGUSR2, 0 };
	struct fixture *f = *state;
	sigset_t old;

	sigprocmask(SIG_SETMASK, NULL, &old);
	f->a = loop_watch_signals(f->loop, wanted, on_signal, f);
	assert_int_equal(raise(SIGUSR2), 0);
	assert_int_equal(run_for(f, 5000), SIGUSR2);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(run_for(f, 5000), SIGUSR1);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void freeing_and_failing_are_safe(void **state)
{
	struct fixture *f = *state;

	assert_null(loop_source_free(NULL));
	assert_null(loop_watch_fd(f->loop, -1, EPOLLIN, on_readable, f));
	assert_int_equal(errno, EBADF);
	loop_free(NULL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_readable_descriptor_calls_and_exit_gives_its_value),
		TEST(a_hang_up_is_reported_unless_nothing_is_waited_for),
		TEST(an_exit_before_the_run_ends_it_at_once),
		TEST(a_source_freed_by_another_in_one_round_is_not_called),
		TEST(a_source_stopped_by_another_in_one_round_is_not_called),
		TEST(a_regular_file_is_always_ready_and_holds_up_nobody),
		TEST(a_timer_fires_once_per_arming_and_not_early),
		TEST(signals_come_through_the_loop),
		TEST(freeing_and_failing_are_safe),
	};

	return cmocka_run_group_tests_name("base/loop", tests, NULL, NULL);
}
