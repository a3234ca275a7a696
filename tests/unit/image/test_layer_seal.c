// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/layer_seal.h"
#include "base/take.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <cmocka.h>

static int can_seal(int fd)
{
	return fsetxattr(fd, LAYER_SEAL ".try", "", 0, 0) == 0;
}

static void count(void *ctx, size_t n)
{
	*(size_t *)ctx += n;
}

static int check(int fd, size_t *n)
{
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return layer_seal_check(fd, count, n);
}

static void what_is_changed_after_it_was_sealed_is_found(void **state _unused_)
{
	char path[] = "/var/tmp/brig-seal.XXXXXX", c = 'x';
	_cleanup_close_ int fd = mkostemp(path, O_CLOEXEC);
	size_t n = 0;

	assert_true(fd >= 0);
	unlink(path);
	if (!can_seal(fd)) /* trusted.* is root's, on a file system that has it */
		skip();
	assert_int_equal(ftruncate(fd, 1000000), 0);
	assert_int_equal(check(fd, &n), -ENODATA);
	assert_int_equal(n, 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(layer_seal_set(fd), 0);
	assert_int_equal(check(fd, &n), 1);
	assert_int_equal(n, 1000000);
	assert_int_equal(pwrite(fd, &c, 1, 777777), 1);
	assert_int_equal(check(fd, &n), 0);
	c = '\0';
	assert_int_equal(pwrite(fd, &c, 1, 777777), 1);
	assert_int_equal(check(fd, &n), 1);
}

static void a_seal_that_is_none_fits_nothing(void **state _unused_)
{
	static const char longer[] =
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8550";
	char path[] = "/var/tmp/brig-seal.XXXXXX";
	_cleanup_close_ int fd = mkostemp(path, O_CLOEXEC);
	size_t n = 0;

	assert_true(fd >= 0);
	unlink(path);
	if (!can_seal(fd))
		skip();
	for (size_t len = 0; len <= sizeof(longer) - 1; len++) {
		assert_int_equal(fsetxattr(fd, LAYER_SEAL, longer, len, 0), 0);
		assert_int_equal(check(fd, &n), len == DIGEST_HEX_LEN); /* that of an empty file */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_changed_after_it_was_sealed_is_found),
		cmocka_unit_test(a_seal_that_is_none_fits_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
