// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/copy_up.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

#define FILES 300

static void put_many(void)
{
	char name[32];

	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		put(from, name, "of the image");
	}
}

/* Each with a descriptor of its own, as another instance has. What it exits with tells whether it saw all. */
static pid_t fork_filler(int gate)
{
	pid_t pid = fork();
	char name[32], byte;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	to = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (read(gate, &byte, 1) < 0 || copy_up_fill(from, to) < 0)
		_exit(2);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		if (faccessat(to, name, F_OK, 0) < 0)
			_exit(1);
	}
	_exit(0);
}

static void all_who_begin_at_once_see_all_of_it(void **state _unused_)
{
	pid_t fillers[6];
	int gate[2];

	put_many();
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fillers); i++)
		fillers[i] = fork_filler(gate[0]);
	assert_int_equal(write(gate[1], "123456", sizeof(fillers) / sizeof(*fillers)), 6);
	for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
		int status = -1;

		assert_int_equal(waitpid(fillers[i], &status, 0), fillers[i]);
		assert_int_equal(status, 0);
	}
	fd_close(gate[0]);
	fd_close(gate[1]);
}

/* Killed as soon as it has begun: nothing is at its place, and the next one fills it. */
static void a_killed_filler_leaves_nothing_half(void **state _unused_)
{
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC);
	char event[sizeof(struct inotify_event) + NAME_MAX + 1];
	int gate[2], status = 0;
	pid_t filler;

	put_many();
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	assert_true(inotify_add_watch(watch, "to", IN_CREATE) >= 0);
	filler = fork_filler(gate[0]);
	assert_int_equal(write(gate[1], "1", 1), 1);
	assert_true(read(watch, event, sizeof(event)) > 0);
	assert_int_equal(kill(filler, SIGKILL), 0);
	assert_int_equal(waitpid(filler, &status, 0), filler);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(faccessat(to, "file0", F_OK, 0), -1);
	filler = fork_filler(gate[0]);
	assert_int_equal(write(gate[1], "1", 1), 1);
	assert_int_equal(waitpid(filler, &status, 0), filler);
	assert_int_equal(status, 0);
	fd_close(gate[0]);
	fd_close(gate[1]);
}

static void who_claims_it_keeps_others_from_filling_it(void **state _unused_)
{
	_cleanup_close_ int other = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(copy_up_claim(to), 1);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
	put_source();
	fill("of the image");
	/* what it had claimed is filled now, so the next one keeps nobody */
	assert_int_equal(flock(to, LOCK_UN), 0);
	assert_int_equal(copy_up_claim(to), 0);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
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
		WITH(all_who_begin_at_once_see_all_of_it),
		WITH(a_killed_filler_leaves_nothing_half),
		WITH(who_claims_it_keeps_others_from_filling_it),
		WITH(what_is_there_already_is_not_written_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
