// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/trail.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define DEADLINE_MS 10000

static int hangs_up(int fd, int timeout_ms)
{
	struct pollfd poller = { .fd = fd };

	return poll(&poller, 1, timeout_ms) == 1 && poller.revents & POLLHUP;
}

static void a_file_outlives_its_descriptor_and_goes_with_the_ring(void **state _unused_)
{
	struct trail trail;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	trail_open(&trail);
	if (trail.ring < 0)
		skip();
	trail_add(&trail, ends[1]);
	assert_int_equal(trail.n, 1);
	fd_close(ends[1]);
	assert_false(hangs_up(ends[0], 0));
	trail_close(&trail);
	assert_true(hangs_up(ends[0], DEADLINE_MS));
	fd_close(ends[0]);
}

static void a_killed_process_leaves_nothing_open(void **state _unused_)
{
	struct trail trail;
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		trail_open(&trail);
		trail_add(&trail, ends[1]);
		raise(SIGKILL);
	}
	fd_close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_true(hangs_up(ends[0], DEADLINE_MS));
	fd_close(ends[0]);
}

static void without_a_ring_nothing_is_held(void **state _unused_)
{
	struct trail trail = TRAIL_INIT;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	trail_add(&trail, ends[1]);
	assert_int_equal(trail.n, 0);
	fd_close(ends[1]);
	assert_true(hangs_up(ends[0], 0));
	trail_close(&trail);
	fd_close(ends[0]);
}

static void what_is_dropped_is_closed_soon(void **state _unused_)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	trail_drop(ends[1]);
	assert_int_equal(fcntl(ends[1], F_GETFD), -1);
	assert_true(hangs_up(ends[0], DEADLINE_MS));
	fd_close(ends[0]);
}

static void what_is_closed_is_swept_and_leaves_room(void **state _unused_)
{
	struct trail trail;
	int ends[2], kept[2];

	assert_int_equal(pipe(kept), 0);
	trail_open(&trail);
	if (trail.ring < 0)
		skip();
	trail_add(&trail, kept[1]);
	for (int i = 0; i < 2 * TRAIL_MAX; i++) {
		assert_int_equal(pipe(ends), 0);
		trail_add(&trail, ends[1]);
		assert_int_equal(trail.n, 2);
		fd_close(ends[1]);
		assert_false(hangs_up(ends[0], 0));
		trail_sweep(&trail);
		assert_int_equal(trail.n, 1);
		assert_true(hangs_up(ends[0], DEADLINE_MS));
		fd_close(ends[0]);
	}
	fd_close(kept[1]);
	assert_false(hangs_up(kept[0], 0));
	trail_close(&trail);
	assert_true(hangs_up(kept[0], DEADLINE_MS));
	fd_close(kept[0]);
	trail_sweep(&trail);
}

static void there_is_a_bound(void **state _unused_)
{
	struct trail trail;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	trail_open(&trail);
	if (trail.ring < 0)
		skip();
	trail_add(&trail, -EBADF);
	assert_int_equal(trail.n, 0);
	for (int i = 0; i <= TRAIL_MAX; i++)
		trail_add(&trail, ends[1]);
	assert_int_equal(trail.n, TRAIL_MAX);
	trail_close(&trail);
	assert_int_equal(trail.ring, -EBADF);
	fd_close(ends[0]);
	fd_close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_outlives_its_descriptor_and_goes_with_the_ring),
		cmocka_unit_test(a_killed_process_leaves_nothing_open),
		cmocka_unit_test(without_a_ring_nothing_is_held),
		cmocka_unit_test(what_is_dropped_is_closed_soon),
		cmocka_unit_test(what_is_closed_is_swept_and_leaves_room),
		cmocka_unit_test(there_is_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
