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

static void fill(const char *expected)
{
	_cleanup_free_ char *text = NULL;

	assert_int_equal(copy_up_fill(from, to), 0);
	assert_int_equal(file_read(to, "sub/file", 64, &text, NULL), 0);
	assert_string_equal(text, expected);
	assert_int_equal(faccessat(to, ".brig.begun", F_OK, 0), -1);
	assert_int_equal(faccessat(to, ".brig.whole", F_OK, 0), -1);
}

static void put_source(void)
{
	assert_int_equal(mkdirat(from, "sub", 0711), 0);
	put(from, "sub/file", "of the image");
	put(from, "other", "of the image");
}

static void an_empty_folder_is_filled_once(void **state _unused_)
{
	struct stat st;

	put_source();
	fill("of the image");
	assert_int_equal(fstat(to, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	put(to, "sub/file", "of somebody");
	fill("of somebody");
}

static void what_is_in_use_stays_as_it_is(void **state _unused_)
{
	put_source();
	put(to, ".hidden", "");
	assert_int_equal(copy_up_fill(from, to), 0);
	assert_int_equal(faccessat(to, "sub", F_OK, 0), -1);
	assert_true(copy_up_fill(from, -EBADF) <= 0);
}

static void one_that_was_killed_begins_again(void **state _unused_)
{
	put_source();
	assert_int_equal(mkdirat(to, ".brig.begun", 0700), 0);
	assert_int_equal(mkdirat(to, ".brig.begun/sub", 0700), 0);
	put(to, ".brig.begun/sub/file", "of the im");
	fill("of the image");
}

static void one_that_was_killed_at_its_end_ends(void **state _unused_)
{
	_cleanup_free_ char *text = NULL;

	put_source();
	assert_int_equal(mkdirat(to, ".brig.whole", 0700), 0);
	assert_int_equal(mkdirat(to, ".brig.whole/sub", 0700), 0);
	put(to, ".brig.whole/sub/file", "of the image");
	put(to, ".brig.whole/other", "of the image");
	put(to, "other", "of somebody");
	fill("of the image");
	assert_int_equal(file_read(to, "other", 64, &text, NULL), 0);
	assert_string_equal(text, "of somebody");
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
		WITH(an_empty_folder_is_filled_once),
		WITH(what_is_in_use_stays_as_it_is),
		WITH(one_that_was_killed_begins_again),
		WITH(one_that_was_killed_at_its_end_ends),
		WITH(what_is_there_already_is_not_written_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
