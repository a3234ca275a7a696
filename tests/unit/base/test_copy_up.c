// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/copy_up.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/test-copy-up.XXXXXX";
static int from = -EBADF, to = -EBADF;

static int setup(void **state _unused_)
{
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(folder));
	from = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(from, "from", 0750) | mkdirat(from, "to", 0755), 0);
	to = openat(from, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd_close(from);
	from = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fchdir(from), 0);
	fd_close(from);
	from = open("from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(from >= 0 && to >= 0);
	return 0;
}

static int teardown(void **state _unused_)
{
	from = fd_close(from);
	to = fd_close(to);
	assert_int_equal(chdir("/"), 0);
	return file_remove_tree(AT_FDCWD, folder);
}

static void put(int dir, const char *name, const char *text)
{
	assert_int_equal(file_replace(dir, name, text, strlen(text), 0640, 0), 0);
}

static void all_that_is_there_comes_along(void **state _unused_)
{
	_cleanup_free_ char *text = NULL;
	char link[16] = { 0 };
	struct stat st;

	put(from, "file", "text");
	assert_int_equal(mkdirat(from, "sub", 0711), 0);
	put(from, "sub/deep", "deep");
	assert_int_equal(symlinkat("sub/deep", from, "link"), 0);
	assert_int_equal(mkfifoat(from, "fifo", 0600), 0);
	assert_int_equal(copy_up(from, to), 0);
	assert_int_equal(file_read(to, "sub/deep", 64, &text, NULL), 0);
	assert_string_equal(text, "deep");
	assert_int_equal(readlinkat(to, "link", link, sizeof(link)), 8);
	assert_int_equal(fstatat(to, "file", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(fstatat(to, "fifo", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFIFO | 0600);
	assert_int_equal(fstatat(to, "sub", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0711);
	/* the folder itself is likened, too */
	assert_int_equal(fstat(to, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0750);
}

static void a_link_is_never_followed(void **state _unused_)
{
	struct stat st;

	assert_int_equal(symlinkat("/etc", from, "etc"), 0);
	assert_int_equal(copy_up(from, to), 0);
	assert_int_equal(fstatat(to, "etc", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void what_is_empty_is_known(void **state _unused_)
{
	assert_true(copy_up_is_empty(to));
	put(to, ".hidden", "");
	assert_false(copy_up_is_empty(to));
	assert_false(copy_up_is_empty(-EBADF));
}

static void what_is_there_already_is_not_written_over(void **state _unused_)
{
	_cleanup_free_ char *text = NULL;

	put(from, "file", "new");
	put(to, "file", "old");
	assert_int_equal(copy_up(from, to), -EEXIST);
	assert_int_equal(file_read(to, "file", 64, &text, NULL), 0);
	assert_string_equal(text, "old");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH(all_that_is_there_comes_along),
		WITH(a_link_is_never_followed),
		WITH(what_is_empty_is_known),
		WITH(what_is_there_already_is_not_written_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
