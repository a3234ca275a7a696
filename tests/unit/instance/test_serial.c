// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "instance/serial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

static char folder[32];

static int setup(void **state _unused_)
{
	snprintf(folder, sizeof(folder), "/tmp/brig-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state _unused_)
{
	return file_remove_tree(AT_FDCWD, folder);
}

static int open_in(const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", folder, name);

	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static void say(int log, const char *text)
{
	if (write(log, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(10);
}

/* Ends the process unless this comes, whole. */
static void expect(int in, const char *text)
{
	char got[65536] = "";
	size_t len = 0;

	while (len < strlen(text)) {
		ssize_t n = read(in, got + len, strlen(text) - len);

		if (n <= 0)
			_exit(11);
		len += (size_t)n;
	}
	if (memcmp(got, text, len))
		_exit(12);
}

/* Writes as a VM's keeper does, and reads what the follower makes of it. */
static _noreturn_ void keep(int ready, int in)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int log = open_in("boot.log"), mark = open_in("lock");
	static char long_line[40000];

	if (log < 0 || mark < 0 || fcntl(mark, F_SETLK, &lock) < 0)
		_exit(13);
	say(log, "first\n");
	say(ready, "x");
	expect(in, "first\n");
	say(log, "second\n");
	expect(in, "second\n");
	/* full: it begins again with the last that was said, and goes on */
	if (ftruncate(log, 0) < 0 || lseek(log, 0, SEEK_SET) < 0)
		_exit(14);
	say(log, "first\nsecond\nthird\n");
	expect(in, "third\n");
	/* more than is read at once, and more than the place is found by */
	memset(long_line, 'x', sizeof(long_line) - 2);
	long_line[sizeof(long_line) - 2] = '\n';
	say(log, long_line);
	expect(in, long_line);
	say(log, "last\n");
	_exit(0);
}

static void it_is_followed_to_its_keepers_end_without_a_gap(void **state _unused_)
{
	_cleanup_free_ char *lock = mem_printf("%s/lock", folder);
	int ready[2], out[2], status = 0;
	struct err err = ERR_INIT;
	char byte, text[16] = "";
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		keep(ready[1], out[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	if (serial_follow(folder, lock, out[1], &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(out[0], text, sizeof(text) - 1), 5);
	assert_string_equal(text, "last\n");
	for (int i = 0; i < 2; i++) {
		fd_close(ready[i]);
		fd_close(out[i]);
	}
}

static void without_a_keeper_it_shows_what_was_kept(void **state _unused_)
{
	_cleanup_free_ char *lock = mem_printf("%s/lock", folder);
	struct err err = ERR_INIT;
	int out[2], log = open_in("boot.log");
	char text[16] = "";

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	say(log, "kept\n");
	fd_close(log);
	assert_int_equal(serial_follow(folder, lock, out[1], &err), 0);
	assert_int_equal(read(out[0], text, sizeof(text) - 1), 5);
	assert_string_equal(text, "kept\n");
	fd_close(out[0]);
	fd_close(out[1]);
}

static void a_vm_that_never_ran_has_none(void **state _unused_)
{
	_cleanup_free_ char *lock = mem_printf("%s/lock", folder);
	struct err err = ERR_INIT;

	assert_int_equal(serial_follow(folder, lock, STDOUT_FILENO, &err), -ENOENT);
	assert_string_equal(err.msg, "the VM was never started");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_followed_to_its_keepers_end_without_a_gap),
		TEST(without_a_keeper_it_shows_what_was_kept),
		TEST(a_vm_that_never_ran_has_none),
	};

	return cmocka_run_group_tests_name("instance/serial", tests, NULL, NULL);
}
