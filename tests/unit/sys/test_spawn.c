// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/spawn.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

struct call {
	int end; /* of a socket pair */
	char *const *argv;
};

static void end_with_its_number(void *ctx)
{
	volatile char deep[16384];

	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = (char)0xa5;
	_exit(*(const int *)ctx);
}

static void execute(void *ctx)
{
	const struct call *call = ctx;

	(void)spawn_send(call->end, "yes", 3, -EBADF);
	execv(call->argv[0], call->argv);
	_exit(1);
}

static void die(_unused_ void *ctx)
{
	raise(SIGKILL);
	_exit(1);
}

static void who_called_goes_on_with_all_it_had_when_the_child_has_ended(void **state _unused_)
{
	volatile int before = 41;
	int number = 7, pidfd = -EBADF, zombie = -EBADF;
	pid_t pid = spawn_call(0, -EBADF, end_with_its_number, &number, &pidfd);

	assert_true(pid > 0);
	assert_int_equal(before, 41);
	assert_int_equal(spawn_wait(pidfd), 7);
	close(pidfd);
	assert_true(spawn_call(0, -EBADF, die, NULL, &zombie) > 0);
	assert_int_equal(spawn_wait(zombie), 128 + SIGKILL);
	close(zombie);
}

static void a_program_that_the_child_executes_is_a_process_like_any_other(void **state _unused_)
{
	char *argv[] = { (char *)"/bin/true", NULL };
	int pair[2], pidfd = -EBADF, fd = -EBADF;
	struct call call = { .argv = argv };
	char text[8];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	call.end = pair[1];
	assert_true(spawn_call(0, -EBADF, execute, &call, &pidfd) > 0);
	close(pair[1]);
	assert_int_equal(spawn_receive(pair[0], text, sizeof(text), &fd, 0), 3);
	assert_int_equal(spawn_receive(pair[0], text, sizeof(text), &fd, 0), 0);
	assert_int_equal(spawn_wait(pidfd), 0);
	close(pidfd);
	close(pair[0]);
}

static void a_clone_that_cannot_be_had_is_an_error(void **state _unused_)
{
	_cleanup_close_ int none = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int pidfd = -EBADF;

	assert_true(spawn_call(0, none, die, NULL, &pidfd) < 0);
	assert_true(spawn_clone(0, none, &pidfd) < 0);
}

static void all_descriptors_but_those_to_keep_are_closed(void **state _unused_)
{
	int a = dup(0), b = dup(0), c = dup(0);
	int keep[] = { b, -EBADF };
	int pidfd = -EBADF;
	pid_t pid = spawn_clone(0, -EBADF, &pidfd);

	if (!pid) {
		int r = spawn_close_others((unsigned int)a, keep, 2);

		_exit(r == 0 && fcntl(a, F_GETFD) < 0 && fcntl(b, F_GETFD) >= 0 &&
				      fcntl(c, F_GETFD) < 0
			      ? 0
			      : 1);
	}
	assert_int_equal(spawn_wait(pidfd), 0);
	close(pidfd);
	close(a);
	close(b);
	close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_called_goes_on_with_all_it_had_when_the_child_has_ended),
		cmocka_unit_test(a_program_that_the_child_executes_is_a_process_like_any_other),
		cmocka_unit_test(a_clone_that_cannot_be_had_is_an_error),
		cmocka_unit_test(all_descriptors_but_those_to_keep_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
