// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/ext4_reader.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "proto/tree.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <cmocka.h>

#define DISK_SIZE (8 << 20)

/* A folder with from/, which is what goes on the disk, and to/, where it is read to. */
struct stage {
	char path[64];
	int dir;
	struct err err;
};

static int setup(void **state)
{
	struct stage *stage = mem_zalloc(sizeof(*stage));

	memcpy(stage->path, "/var/tmp/brig-test-XXXXXX", 26);
	assert_non_null(mkdtemp(stage->path));
	stage->dir = open(stage->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(stage->dir, "from", 0755), 0);
	assert_int_equal(mkdirat(stage->dir, "from/upper", 0751), 0);
	assert_int_equal(mkdirat(stage->dir, "to", 0755), 0);
	*state = stage;
	return 0;
}

static int teardown(void **state)
{
	struct stage *stage = *state;

	close(stage->dir);
	assert_int_equal(file_remove_tree(AT_FDCWD, stage->path), 0);
	free(stage);
	return 0;
}

static void put(const struct stage *stage, const char *name, const void *data, size_t len, off_t at)
{
	_cleanup_close_ int fd = openat(stage->dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, at), (ssize_t)len);
}

static void run(const struct stage *stage, const char *program, char *const *argv)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		if (fchdir(stage->dir) == 0)
			execvp(program, argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* extra: features, as mke2fs -O has them */
static void make_disk(const struct stage *stage, const char *extra)
{
	char *argv[] = { (char *)"mke2fs",
			 (char *)"-q",
			 (char *)"-F",
			 (char *)"-t",
			 (char *)"ext4",
			 (char *)"-I",
			 (char *)"256",
			 (char *)"-O",
			 (char *)(uintptr_t)extra,
			 (char *)"-d",
			 (char *)"from",
			 (char *)"disk",
			 NULL };
	_cleanup_close_ int fd =
		openat(stage->dir, "disk", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, DISK_SIZE), 0);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	run(stage, "mke2fs", argv);
}

static void debugfs(const struct stage *stage, const char *request)
{
	char *argv[] = { (char *)"debugfs",	     (char *)"-w",   (char *)"-R",
			 (char *)(uintptr_t)request, (char *)"disk", NULL };

	run(stage, "debugfs", argv);
}

static int read_disk(struct stage *stage, int *ret_absent)
{
	const struct tree_bounds bounds = { .bytes_max = 64 << 20 };
	_cleanup_close_ int image = openat(stage->dir, "disk", O_RDONLY | O_CLOEXEC),
			    stream = memfd_create("stream", MFD_CLOEXEC),
			    to = openat(stage->dir, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	stage->err = ERR_INIT;
	r = ext4_reader_send(image, "upper", stream, ret_absent, &stage->err);
	assert_int_equal(r < 0, err_is_set(&stage->err));
	if (r < 0 || *ret_absent)
		return r;
	assert_int_equal(lseek(stream, 0, SEEK_SET), 0);
	return tree_receive_exact(to, "upper", &bounds, stream, &stage->err);
}

static struct stat stat_of(const struct stage *stage, const char *name)
{
	struct stat st = { 0 };

	assert_int_equal(fstatat(stage->dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static void assert_same_bytes(const struct stage *stage, const char *name)
{
	_cleanup_free_ char *from = mem_printf("from/%s", name), *to = mem_printf("to/%s", name);
	_cleanup_free_ char *left = NULL, *right = NULL;
	size_t left_len = 0, right_len = 0;

	assert_int_equal(file_read(stage->dir, from, DISK_SIZE, &left, &left_len), 0);
	assert_int_equal(file_read(stage->dir, to, DISK_SIZE, &right, &right_len), 0);
	assert_int_equal(left_len, right_len);
	assert_memory_equal(left, right, left_len);
}

static void fill(const struct stage *stage)
{
	_cleanup_free_ char *big = mem_zalloc(300000), *far = mem_zalloc(301);
	_cleanup_free_ char *file = mem_printf("%s/from/upper/small", stage->path);

	for (size_t i = 0; i < 300000; i++)
		big[i] = (char)(i * 7 + i / 4096);
	memset(far, 'x', 300);
	put(stage, "from/upper/big", big, 300000, 0);
	put(stage, "from/upper/holes", "data", 4, 1000000);
	put(stage, "from/upper/holes", "more", 4, 2000);
	put(stage, "from/upper/small", "small", 5, 0);
	put(stage, "from/upper/empty", "", 0, 0);
	assert_int_equal(setxattr(file, "user.note", "value", 5, 0), 0);
	assert_int_equal(mkdirat(stage->dir, "from/upper/d", 0700), 0);
	assert_int_equal(
		linkat(stage->dir, "from/upper/small", stage->dir, "from/upper/d/again", 0), 0);
	assert_int_equal(symlinkat("short", stage->dir, "from/upper/short"), 0);
	assert_int_equal(symlinkat(far, stage->dir, "from/upper/far"), 0);
	for (char name[] = "from/upper/d/many-000"; name[18] < '4'; name[20]++) {
		if (name[20] > '9') {
			name[20] = '0';
			name[19]++;
		}
		if (name[19] > '9') {
			name[19] = '0';
			name[18]++;
		}
		put(stage, name, name, 21, 0);
	}
}

static void check(struct stage *stage)
{
	char value[16] = "", target[512] = "";
	_cleanup_free_ char *file = mem_printf("%s/to/upper/small", stage->path);
	int absent = 0;

	if (read_disk(stage, &absent) < 0)
		fail_msg("%s", stage->err.msg);
	assert_false(absent);
	assert_same_bytes(stage, "upper/big");
	assert_same_bytes(stage, "upper/holes");
	assert_same_bytes(stage, "upper/small");
	assert_same_bytes(stage, "upper/empty");
	assert_same_bytes(stage, "upper/d/many-299");
	assert_true(stat_of(stage, "to/upper/holes").st_blocks < 100);
	assert_int_equal(stat_of(stage, "to/upper").st_mode, S_IFDIR | 0751);
	assert_int_equal(stat_of(stage, "to/upper/small").st_mode, S_IFREG | 0640);
	assert_int_equal(stat_of(stage, "to/upper/small").st_mtim.tv_sec,
			 stat_of(stage, "from/upper/small").st_mtim.tv_sec);
	assert_int_equal(stat_of(stage, "to/upper/small").st_ino,
			 stat_of(stage, "to/upper/d/again").st_ino);
	assert_int_equal(getxattr(file, "user.note", value, sizeof(value)), 5);
	assert_int_equal(readlinkat(stage->dir, "to/upper/far", target, sizeof(target)), 300);
	assert_int_equal(readlinkat(stage->dir, "to/upper/short", target, sizeof(target)), 5);
}

static void a_folder_of_a_disk_is_read_as_it_is(void **state)
{
	struct stage *stage = *state;

	fill(stage);
	make_disk(stage, "extents");
	check(stage);
}

static void so_is_one_without_extents(void **state)
{
	struct stage *stage = *state;

	fill(stage);
	make_disk(stage, "^extents,^64bit");
	check(stage);
}

static void so_is_one_with_small_files_in_their_inodes(void **state)
{
	struct stage *stage = *state;

	fill(stage);
	make_disk(stage, "inline_data");
	check(stage);
}

static void times_before_1970_and_after_2038_have_their_nanoseconds(void **state)
{
	struct stage *stage = *state;
	int absent = 0;

	put(stage, "from/upper/old", "", 0, 0);
	put(stage, "from/upper/new", "", 0, 0);
	make_disk(stage, "extents");
	debugfs(stage, "set_inode_field upper/old mtime @-5");
	debugfs(stage, "set_inode_field upper/old mtime_extra 4");
	debugfs(stage, "set_inode_field upper/new mtime @-2147483648");
	debugfs(stage, "set_inode_field upper/new mtime_extra 3999999997");
	assert_int_equal(read_disk(stage, &absent), 0);
	assert_int_equal(stat_of(stage, "to/upper/old").st_mtim.tv_sec, -5);
	assert_int_equal(stat_of(stage, "to/upper/old").st_mtim.tv_nsec, 1);
	assert_int_equal(stat_of(stage, "to/upper/new").st_mtim.tv_sec, INT64_C(1) << 31);
	assert_int_equal(stat_of(stage, "to/upper/new").st_mtim.tv_nsec, 999999999);
}

static void room_that_was_never_written_to_is_a_hole(void **state)
{
	_cleanup_free_ char *big = mem_zalloc(100000), *text = NULL;
	struct stage *stage = *state;
	int absent = 0;

	memset(big, 'x', 100000);
	put(stage, "from/upper/big", big, 100000, 0);
	put(stage, "from/upper/reserved", "", 0, 0);
	make_disk(stage, "extents");
	/* its blocks hold another's bytes */
	debugfs(stage, "rm upper/big");
	debugfs(stage, "fallocate upper/reserved 0 24");
	debugfs(stage, "set_inode_field upper/reserved size 100000");
	assert_int_equal(read_disk(stage, &absent), 0);
	assert_int_equal(stat_of(stage, "to/upper/reserved").st_size, 100000);
	assert_int_equal(file_read(stage->dir, "to/upper/reserved", 200000, &text, NULL), 0);
	assert_null(memchr(text, 'x', 100000));
}

static void a_disk_that_was_not_unmounted_or_is_damaged_is_refused(void **state)
{
	static const char *const damage[] = {
		"feature needs_recovery",
		"set_super_value state 2",
		"set_super_value last_orphan 12",
		"link upper upper/loop",
		"set_inode_field upper/small links_count 0",
		"set_inode_field upper/short size 5000",
		"set_inode_field upper/small block[5] 0x7fffffff",
	};
	struct stage *stage = *state;

	put(stage, "from/upper/small", "small", 5, 0);
	assert_int_equal(symlinkat("short", stage->dir, "from/upper/short"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		int absent = 0;

		make_disk(stage, "extents");
		debugfs(stage, damage[i]);
		if (read_disk(stage, &absent) != -EUCLEAN)
			fail_msg("%s: %s", damage[i], stage->err.msg);
		assert_int_equal(file_remove_tree(stage->dir, "to/upper"), 0);
	}
}

static void what_is_no_file_system_is_refused(void **state)
{
	struct stage *stage = *state;
	int absent = 0;

	put(stage, "disk", "none", 4, 0);
	assert_int_equal(read_disk(stage, &absent), -EUCLEAN);
	make_disk(stage, "extents");
	debugfs(stage, "feature encrypt");
	debugfs(stage, "set_inode_field upper flags 0x80800");
	assert_int_equal(read_disk(stage, &absent), -EOPNOTSUPP);
}

static void a_disk_without_the_folder_says_so(void **state)
{
	struct stage *stage = *state;
	int absent = 0;

	assert_int_equal(unlinkat(stage->dir, "from/upper", AT_REMOVEDIR), 0);
	make_disk(stage, "extents");
	assert_int_equal(read_disk(stage, &absent), 0);
	assert_true(absent);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_folder_of_a_disk_is_read_as_it_is),
		TEST(so_is_one_without_extents),
		TEST(so_is_one_with_small_files_in_their_inodes),
		TEST(times_before_1970_and_after_2038_have_their_nanoseconds),
		TEST(room_that_was_never_written_to_is_a_hole),
		TEST(a_disk_that_was_not_unmounted_or_is_damaged_is_refused),
		TEST(what_is_no_file_system_is_refused),
		TEST(a_disk_without_the_folder_says_so),
	};

	return cmocka_run_group_tests_name("image/ext4_reader", tests, NULL, NULL);
}
