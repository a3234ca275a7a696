// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/buf.h"
#include "base/mem.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <cmocka.h>

/* Every test has a folder of its own, which is also its working directory. */
static int setup(void **state)
{
	char *folder = mem_strdup("/tmp/brig-test-file-XXXXXX");

	*state = mkdtemp(folder);
	return *state && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	int r = file_remove_tree(AT_FDCWD, *state);

	free(*state);
	return r < 0 || chdir("/") < 0 ? -1 : 0;
}

static void put(const char *path, const char *text)
{
	assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0644, 0), 0);
}

static void assert_content(const char *path, const char *text)
{
	_cleanup_free_ char *content = NULL;

	assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &content, NULL), 0);
	assert_string_equal(content, text);
}

static void a_file_is_read_whole_or_refused(void **state _unused_)
{
	_cleanup_free_ char *text = NULL, *none = NULL;
	size_t len;

	put("f", "12345");
	assert_int_equal(file_read(AT_FDCWD, "f", 5, &text, &len), 0);
	assert_int_equal(len, 5);
	assert_string_equal(text, "12345");
	assert_int_equal(file_read(AT_FDCWD, "f", 4, &none, &len), -EFBIG);
	assert_int_equal(file_read(AT_FDCWD, "none", 4, &none, &len), -ENOENT);
	assert_int_equal(file_read(AT_FDCWD, ".", 4, &none, &len), -EISDIR);
	assert_null(none);
}

static void files_of_proc_are_read_though_their_size_is_0(void **state _unused_)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	assert_int_equal(file_read(AT_FDCWD, "/proc/self/status", 1 << 20, &text, &len), 0);
	assert_true(len > 100);
	assert_int_equal(strlen(text), len);
}

static void a_large_file_is_read_whole(void **state _unused_)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	size_t len;

	for (int i = 0; i < 50000; i++)
		buf_printf(&buf, "%05d", i);
	put("f", buf.data);
	assert_int_equal(file_read(AT_FDCWD, "f", 1 << 20, &text, &len), 0);
	assert_int_equal(len, 250000);
	assert_memory_equal(text, buf.data, len);
}

static void replacing_swaps_the_file_at_once(void **state _unused_)
{
	struct stat st;
	_cleanup_close_ int old = -EBADF;
	char text[4] = "";

	put("f", "old");
	old = open("f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(file_replace(AT_FDCWD, "f", "new!", 4, 0600, 1), 0);
	assert_content("f", "new!");
	assert_int_equal(read(old, text, 4), 3);
	assert_memory_equal(text, "old", 3);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static size_t entries(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	size_t n = 0;

	while (readdir(dir))
		n++;
	return n - 2;
}

static void a_failed_replacement_leaves_the_old_file_and_no_litter(void **state _unused_)
{
	const struct rlimit small = { .rlim_cur = 8192, .rlim_max = RLIM_INFINITY };
	static char data[65536];
	int status;
	pid_t pid;

	put("f", "old");
	pid = fork();
	if (!pid) {
		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &small) < 0)
			_exit(1);
		_exit(file_replace(AT_FDCWD, "f", data, sizeof(data), 0644, 1) == -EFBIG ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_content("f", "old");
	assert_int_equal(entries("."), 1);
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(file_replace(AT_FDCWD, "d", "x", 1, 0644, 0), -EISDIR);
	assert_int_equal(entries("."), 2);
}

static void what_a_killed_replacement_left_is_found_and_nothing_else(void **state _unused_)
{
	static const char *const left[] = { "r.json.1.tmp", "r.json.4711.tmp" };
	static const char *const kept[] = { "r.json",	     "r.json.tmp",   "r.json..tmp",
					    "r.json.1x.tmp", "s.json.1.tmp", "r.json.1.tmp~" };

	for (size_t i = 0; i < ARRAY_SIZE(left); i++)
		put(left[i], "");
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		put(kept[i], "");
	assert_int_equal(file_replace_leftovers(AT_FDCWD, "r.json", 0), 2);
	assert_int_equal(file_replace_leftovers(AT_FDCWD, "./r.json", 1), 2);
	assert_int_equal(file_replace_leftovers(AT_FDCWD, "r.json", 1), 0);
	put(left[0], "");
	assert_int_equal(file_replace_leftovers(AT_FDCWD, "./", 1), 2);
	put(kept[4], "");
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		assert_int_equal(access(kept[i], F_OK), 0);
}

static void a_planted_link_is_not_written_through(void **state _unused_)
{
	char name[64];

	put("victim", "precious");
	snprintf(name, sizeof(name), "f.%d.tmp", getpid());
	assert_int_equal(symlink("victim", name), 0);
	assert_int_equal(file_replace(AT_FDCWD, "f", "new", 3, 0644, 0), -ELOOP);
	assert_content("victim", "precious");
}

static void values_go_to_files_that_exist_only(void **state _unused_)
{
	put("f", "....");
	assert_int_equal(file_write_value(AT_FDCWD, "f", "12"), 0);
	assert_content("f", "12..");
	assert_int_equal(file_write_value(AT_FDCWD, "none", "12"), -ENOENT);
}

static void folders_are_made_with_their_parents(void **state _unused_)
{
	struct stat st;

	assert_int_equal(file_mkdir_p("a/b/c", 0755), 0);
	assert_int_equal(file_mkdir_p("a/b/c/", 0755), 0);
	assert_int_equal(file_mkdir_p("a//b///d", 0755), 0);
	assert_int_equal(stat("a/b/d", &st), 0);
	assert_int_equal(file_mkdir_p("", 0755), -ENOENT);
	assert_int_equal(file_mkdir_p("/", 0755), 0);
}

static void a_file_in_the_way_of_a_folder_is_an_error(void **state _unused_)
{
	put("f", "x");
	assert_int_equal(file_mkdir_p("f", 0755), -ENOTDIR);
	assert_int_equal(file_mkdir_p("f/g", 0755), -ENOTDIR);
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	assert_true(file_mkdir_p("dangling", 0755) < 0);
	assert_int_equal(mkdir("real", 0755), 0);
	assert_int_equal(symlink("real", "link"), 0);
	assert_int_equal(file_mkdir_p("link/x", 0755), 0);
	assert_int_equal(access("real/x", F_OK), 0);
}

static void copying_keeps_content_and_holes(void **state _unused_)
{
	_cleanup_close_ int in = open("in", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	_cleanup_close_ int out = open("out", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct stat st;
	char byte;

	assert_int_equal(pwrite(in, "start", 5, 0), 5);
	assert_int_equal(pwrite(in, "end", 3, 64 << 20), 3);
	assert_int_equal(file_copy_sparse(in, out), 0);
	assert_int_equal(fstat(out, &st), 0);
	assert_int_equal(st.st_size, (64 << 20) + 3);
	assert_true(st.st_blocks * 512 < 1 << 20);
	assert_int_equal(pread(out, &byte, 1, (64 << 20) + 2), 1);
	assert_int_equal(byte, 'd');
}

/* copy_file_range(2) works within one type of file system only. */
static void copying_works_between_file_systems(void **state _unused_)
{
	_cleanup_close_ int in = open("in", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	_cleanup_close_ int out = open("/dev/shm", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	char text[6] = "";

	if (out < 0)
		skip();
	assert_int_equal(pwrite(in, "start", 5, 100000), 5);
	assert_int_equal(file_copy_sparse(in, out), 0);
	assert_int_equal(pread(out, text, 5, 100000), 5);
	assert_string_equal(text, "start");
}

static void removing_takes_all_below_and_nothing_beside(void **state _unused_)
{
	assert_int_equal(file_mkdir_p("t/a/b", 0755), 0);
	assert_int_equal(file_mkdir_p("kept", 0755), 0);
	put("kept/f", "x");
	put("t/a/f", "x");
	assert_int_equal(symlink("../kept", "t/link"), 0);
	assert_int_equal(symlink("kept", "top"), 0);
	assert_int_equal(mkfifo("t/fifo", 0600), 0);
	assert_int_equal(file_remove_tree(AT_FDCWD, "t"), 0);
	assert_int_equal(access("t", F_OK), -1);
	assert_int_equal(file_remove_tree(AT_FDCWD, "top"), 0);
	assert_content("kept/f", "x");
	assert_int_equal(file_remove_tree(AT_FDCWD, "kept/f"), 0);
	assert_int_equal(file_remove_tree(AT_FDCWD, "kept/"), 0);
	assert_int_equal(file_remove_tree(AT_FDCWD, "t"), 0);
	assert_int_equal(file_remove_tree(AT_FDCWD, "t/none"), 0);
}

/* A workload may nest folders deeper than there are descriptors or PATH_MAX. */
static void removing_copes_with_any_depth(void **state)
{
	struct rlimit old, few = { .rlim_cur = 128 };

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(mkdir("deep", 0755), 0);
	assert_int_equal(chdir("deep"), 0);
	for (int i = 0; i < 1500; i++) {
		assert_int_equal(mkdir("dddddddddd", 0755), 0);
		put("f", "x");
		assert_int_equal(chdir("dddddddddd"), 0);
	}
	assert_int_equal(chdir(*state), 0);
	assert_int_equal(file_remove_tree(AT_FDCWD, "deep"), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(access("deep", F_OK), -1);
	assert_int_equal(entries("."), 0);
}

static void removing_does_not_enter_a_mount(void **state _unused_)
{
	if (geteuid() != 0 || mkdir("kept", 0755) < 0 || file_mkdir_p("t/m", 0755) < 0 ||
	    mount("kept", "t/m", NULL, MS_BIND, NULL) < 0)
		skip();
	put("kept/f", "x");
	assert_true(file_remove_tree(AT_FDCWD, "t") < 0);
	assert_true(file_remove_tree(AT_FDCWD, "t/m") < 0);
	assert_int_equal(umount("t/m"), 0);
	assert_content("kept/f", "x");
	assert_int_equal(file_remove_tree(AT_FDCWD, "t"), 0);
}

static void fill_disk(const char *path)
{
	static const char page[4096];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	while (write(fd, page, sizeof(page)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void a_file_with_a_spare_is_replaced_on_a_full_disk(void **state _unused_)
{
	static char large[16384];

	memset(large, 'x', sizeof(large));
	if (mkdir("t", 0755) < 0 || geteuid() != 0 ||
	    mount("tmpfs", "t", "tmpfs", 0, "size=32k") < 0)
		skip();
	put("t/f", "old");
	put("t/g", "old");
	assert_int_equal(file_spare(AT_FDCWD, "t/f", 6000, 0600), 0);
	assert_int_equal(file_spare(AT_FDCWD, "t/h", 64 << 10, 0600), -ENOSPC);
	fill_disk("t/filler");
	assert_int_equal(file_replace(AT_FDCWD, "t/g", "new", 3, 0600, 1), -ENOSPC);
	assert_content("t/g", "old");
	assert_int_equal(file_replace(AT_FDCWD, "t/f", large, 6000, 0600, 1), 0);
	for (int i = 0; i < 3; i++) {
		put("t/f", "newer");
		assert_content("t/f", "newer");
		put("t/f", "new");
		assert_content("t/f", "new");
	}
	assert_int_equal(file_replace(AT_FDCWD, "t/f", large, sizeof(large), 0600, 1), -ENOSPC);
	assert_content("t/f", "new");
	assert_int_equal(file_replace_leftovers(AT_FDCWD, "t/f", 1), 1);
	assert_int_equal(entries("t"), 3);
	assert_int_equal(umount("t"), 0);
}

static int lock_release[2], lock_ticks;

static void lock_tick(int number _unused_)
{
	if (++lock_ticks == 3)
		(void)!write(lock_release[1], "", 1);
}

/* A child has the lock, until signals have come to us who wait for it. */
static void signals_do_not_break_off_the_wait_for_a_lock(void **state _unused_)
{
	const struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { { 0, 0 }, { 0, 0 } };
	const struct sigaction action = { .sa_handler = lock_tick };
	int ready[2], ours, status;
	pid_t child;
	char byte;

	put("lock", "");
	assert_int_equal(pipe(lock_release) | pipe(ready), 0);
	child = fork();
	if (!child) {
		int fd = open("lock", O_RDWR);

		_exit(file_lock(fd, LOCK_EX) < 0 || write(ready[1], "", 1) != 1 ||
		      read(lock_release[0], &byte, 1) != 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	ours = open("lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(file_lock(ours, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	assert_int_equal(file_lock(ours, LOCK_EX), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_true(lock_ticks >= 3);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(ours);
	for (int i = 0; i < 2; i++) {
		close(lock_release[i]);
		close(ready[i]);
	}
}

/* A rename anywhere on the host makes the kernel unsure of "..". */
static void what_is_renamed_meanwhile_does_not_keep_a_path_from_being_opened(void **state _unused_)
{
	pid_t child;
	int status;

	assert_int_equal(mkdir("in", 0700), 0);
	assert_int_equal(mkdir("in/deep", 0700), 0);
	put("in/file", "inside");
	put("moved", "");
	child = fork();
	if (!child) {
		for (;;) {
			if (rename("moved", "in/deep/moved") < 0 ||
			    rename("in/deep/moved", "moved") < 0)
				_exit(1);
		}
	}
	for (int i = 0; i < 20000; i++) {
		int root = open("in", O_PATH | O_DIRECTORY | O_CLOEXEC);
		int fd = file_open_scoped(root, "deep/../deep/../../../file", O_RDONLY,
					  RESOLVE_IN_ROOT);

		assert_true(fd >= 0);
		close(fd);
		assert_int_equal(file_open_scoped(root, "../moved", O_RDONLY, RESOLVE_BENEATH),
				 -EXDEV);
		close(root);
	}
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_read_whole_or_refused),
		TEST(files_of_proc_are_read_though_their_size_is_0),
		TEST(a_large_file_is_read_whole),
		TEST(replacing_swaps_the_file_at_once),
		TEST(a_failed_replacement_leaves_the_old_file_and_no_litter),
		TEST(what_a_killed_replacement_left_is_found_and_nothing_else),
		TEST(a_planted_link_is_not_written_through),
		TEST(values_go_to_files_that_exist_only),
		TEST(folders_are_made_with_their_parents),
		TEST(a_file_in_the_way_of_a_folder_is_an_error),
		TEST(copying_keeps_content_and_holes),
		TEST(copying_works_between_file_systems),
		TEST(what_is_renamed_meanwhile_does_not_keep_a_path_from_being_opened),
		TEST(removing_takes_all_below_and_nothing_beside),
		TEST(removing_copes_with_any_depth),
		TEST(removing_does_not_enter_a_mount),
		TEST(a_file_with_a_spare_is_replaced_on_a_full_disk),
		TEST(signals_do_not_break_off_the_wait_for_a_lock),
	};

	return cmocka_run_group_tests_name("base/file", tests, NULL, NULL);
}
