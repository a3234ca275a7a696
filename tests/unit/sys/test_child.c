// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/child.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static int run_shell(const char *script, struct child_spec *spec, struct err *err)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)(uintptr_t)script, NULL };

	spec->argv = argv;
	return child_run(spec, err);
}

static void what_it_writes_is_collected_and_a_failure_has_its_last_line(void **state _unused_)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err err = ERR_INIT;

	spec.out = &out;
	assert_int_equal(run_shell("echo yes; echo first >&2; echo why >&2; exit 3", &spec, &err),
			 -EREMOTEIO);
	assert_string_equal(out.data, "yes\n");
	assert_string_equal(err.msg, "sh failed with status 3: why");
	assert_int_equal(run_shell("kill -9 $$", &spec, &err), -EREMOTEIO);
	assert_string_equal(err.msg, "sh was killed by signal 9");
}

static void a_missing_program_is_told_from_one_that_fails(void **state _unused_)
{
	char *argv[] = { (char *)"no-such-tool", NULL };
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err err = ERR_INIT;

	/* a folder that may not be looked into would be another error */
	setenv("PATH", "/usr/bin:/bin", 1);
	spec.argv = argv;
	assert_int_equal(child_run(&spec, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "is not installed"));
	spec.path = "/nowhere/tool";
	assert_int_equal(child_run(&spec, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "cannot run /nowhere/tool"));
}

static void it_has_the_given_environment_and_no_descriptors_but_three(void **state _unused_)
{
	char *argv[] = { (char *)"name", (char *)"-c",
			 (char *)"echo $0 $A $HOME; echo /proc/self/fd/*", NULL };
	char *env[] = { (char *)"A=b", NULL };
	_cleanup_close_ int leak = open("/", O_RDONLY);
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct child_spec spec = { .argv = argv,
				   .path = "/bin/sh",
				   .env = env,
				   .in_fd = -EBADF,
				   .out_fd = -EBADF,
				   .out = &out };
	struct err err = ERR_INIT;

	assert_true(leak > 2);
	assert_int_equal(child_run(&spec, &err), 0);
	/* 3 is the folder that is listed */
	assert_string_equal(out.data, "name b\n/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 "
				      "/proc/self/fd/3\n");
}

/* The pipe that the second process holds ends when that is dead. */
static void what_does_not_end_in_time_is_killed_with_what_it_started(void **state _unused_)
{
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err err = ERR_INIT;
	int held[2];
	char byte;

	assert_int_equal(pipe2(held, O_CLOEXEC), 0);
	spec.timeout_ms = 200;
	spec.out_fd = held[1];
	assert_int_equal(run_shell("cat /dev/zero >/dev/null & wait", &spec, &err), -ETIMEDOUT);
	assert_string_equal(err.msg, "sh did not end within 0.2 s");
	close(held[1]);
	assert_int_equal(read(held[0], &byte, 1), 0);
	close(held[0]);
}

/* One that reads from a pipe which we hold, so it lives until the test closes that. */
static void what_it_leaves_running_does_not_hold_us_up(void **state _unused_)
{
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err err = ERR_INIT;
	int held[2];

	assert_int_equal(pipe2(held, O_CLOEXEC), 0);
	spec.in_fd = held[0];
	assert_int_equal(run_shell("exec 3<&0; cat <&3 & echo bad >&2; exit 1", &spec, &err),
			 -EREMOTEIO);
	assert_string_equal(err.msg, "sh failed with status 1: bad");
	close(held[1]);
	close(held[0]);
}

static int count_bytes(void *ctx, struct err *err)
{
	int *fd_and_count = ctx;
	char byte;

	if (read(fd_and_count[0], &byte, 1) == 1 && ++fd_and_count[1] == 3)
		return err_set(err, -ECANCELED, "three is enough");
	return 0;
}

static void who_watches_hears_of_each_event_and_can_end_it(void **state _unused_)
{
	_cleanup_buf_ struct buf said = BUF_INIT;
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err err = ERR_INIT;
	int fds[2], watched[2] = { 0 };

	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	spec.watch = count_bytes;
	spec.watch_fd = watched[0] = fds[0];
	spec.watch_ctx = watched;
	spec.out_fd = fds[1];
	spec.said = &said;
	assert_int_equal(
		run_shell("printf 12; echo 'not yet' >&2; printf 3; exec sleep 1000", &spec, &err),
		-ECANCELED);
	assert_string_equal(err.msg, "three is enough");
	assert_int_equal(watched[1], 3);
	assert_non_null(strstr(said.data, "not yet"));
	close(fds[0]);
	close(fds[1]);
}

static void what_makes_no_headway_is_killed_and_what_does_is_not(void **state _unused_)
{
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err err = ERR_INIT;

	spec.stall_ms = 100;
	assert_int_equal(run_shell("exec sleep 1000", &spec, &err), -ETIMEDOUT);
	assert_string_equal(err.msg, "sh made no headway for 0.1 s");
	err = ERR_INIT;
	assert_int_equal(
		run_shell("exec dd if=/dev/zero of=/dev/null bs=512 count=1000000", &spec, &err),
		0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_writes_is_collected_and_a_failure_has_its_last_line),
		cmocka_unit_test(a_missing_program_is_told_from_one_that_fails),
		cmocka_unit_test(it_has_the_given_environment_and_no_descriptors_but_three),
		cmocka_unit_test(what_does_not_end_in_time_is_killed_with_what_it_started),
		cmocka_unit_test(what_it_leaves_running_does_not_hold_us_up),
		cmocka_unit_test(what_makes_no_headway_is_killed_and_what_does_is_not),
		cmocka_unit_test(who_watches_hears_of_each_event_and_can_end_it),
	};

	return cmocka_run_group_tests_name("sys/child", tests, NULL, NULL);
}
