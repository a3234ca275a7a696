// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/layer_scratch.h"
#include "base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <cmocka.h>

#define ROOM ((int64_t)4 << 20)

/* Nobody but the host's root has one. */
static int scratch(void)
{
	int fd = layer_scratch_open(ROOM);

	if (fd == -EPERM || fd == -ENOSYS || fd == -EOPNOTSUPP)
		skip();
	assert_true(fd >= 0);
	return fd;
}

static void its_bytes_are_bounded(void **state _unused_)
{
	static char chunk[65536];
	_cleanup_close_ int dir = scratch();
	_cleanup_close_ int fd = openat(dir, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int64_t written = 0;
	ssize_t n;

	assert_true(fd >= 0);
	memset(chunk, 'x', sizeof(chunk));
	while ((n = write(fd, chunk, sizeof(chunk))) > 0)
		written += n;
	assert_int_equal(errno, ENOSPC);
	assert_true(layer_scratch_is_at_fault(-errno));
	assert_true(written <= ROOM);
}

/* Names of the same file too, for each takes memory. */
static void its_files_are_bounded(void **state _unused_)
{
	_cleanup_close_ int dir = scratch();
	char name[32];
	int n = 0, r = 0;

	assert_int_equal(mknodat(dir, "first", S_IFREG | 0600, 0), 0);
	while (n <= ROOM / 1024 && r == 0) {
		snprintf(name, sizeof(name), "f%d", n++);
		r = n % 2 ? mknodat(dir, name, S_IFREG | 0600, 0)
			  : linkat(dir, "first", dir, name, 0);
	}
	assert_int_equal(r, -1);
	assert_int_equal(errno, ENOSPC);
	assert_true(n <= ROOM / 4096);
}

static void it_keeps_what_a_layer_has(void **state _unused_)
{
	_cleanup_close_ int dir = scratch(), fd = -EBADF;
	const struct timespec times[2] = { { 1, 123456789 }, { 2, 987654321 } };
	struct stat st;

	assert_int_equal(fstat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(mknodat(dir, "w", S_IFCHR, makedev(0, 0)), 0);
	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	fd = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0), 0);
	assert_int_equal(futimens(fd, times), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mtim.tv_nsec, 987654321);
}

/* It shows there to the process alone, and there but once. */
static void who_attaches_it_sees_it_alone(void **state _unused_)
{
	char place[] = "/var/tmp/brig-scratch-XXXXXX", path[64];
	_cleanup_close_ int dir = scratch();
	int status = 0;
	pid_t pid;

	assert_non_null(mkdtemp(place));
	snprintf(path, sizeof(path), "%s/f", place);
	assert_int_equal(mknodat(dir, "f", S_IFREG | 0600, 0), 0);
	pid = fork();
	if (!pid) {
		struct err err = ERR_INIT;

		_exit(layer_scratch_attach(dir, place, &err) < 0 ? 1
		      : access(path, F_OK) < 0			 ? 2
								 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rmdir(place), 0);
}

static void what_is_too_large_is_not_tried(void **state _unused_)
{
	assert_true(layer_scratch_may_fit(1000, ROOM));
	assert_true(layer_scratch_may_fit(ROOM / 3, ROOM));
	assert_false(layer_scratch_may_fit(ROOM / 2, ROOM));
	assert_false(layer_scratch_may_fit(10, ROOM / 2)); /* memory is short */
	assert_false(layer_scratch_may_fit(0, 0));
}

static void a_damaged_layer_is_not_tried_again(void **state _unused_)
{
	assert_false(layer_scratch_is_at_fault(-EBADMSG));
	assert_false(layer_scratch_is_at_fault(-EREMOTEIO));
	assert_true(layer_scratch_is_at_fault(-EOPNOTSUPP)); /* user.* before Linux 6.6 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_bytes_are_bounded),
		cmocka_unit_test(its_files_are_bounded),
		cmocka_unit_test(it_keeps_what_a_layer_has),
		cmocka_unit_test(who_attaches_it_sees_it_alone),
		cmocka_unit_test(what_is_too_large_is_not_tried),
		cmocka_unit_test(a_damaged_layer_is_not_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
