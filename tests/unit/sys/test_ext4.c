// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "sys/child.h"
#include "sys/ext4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MIB ((int64_t)1 << 20)

static char folder[32];

static char *in_folder(const char *name)
{
	return mem_printf("%s/%s", folder, name);
}

static int setup(void **state _unused_)
{
	snprintf(folder, sizeof(folder), "/tmp/brig-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state _unused_)
{
	return file_remove_tree(AT_FDCWD, folder);
}

static void assert_clean(const char *path)
{
	char *const argv[] = { (char *)"e2fsck", (char *)"-f", (char *)"-n", (char *)path, NULL };
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err err = ERR_INIT;

	spec.argv = argv;
	if (child_run(&spec, &err) < 0)
		fail_msg("%s", err.msg);
}

static void a_disk_is_sparse_and_clean(void **state _unused_)
{
	_cleanup_free_ char *cache = in_folder("cache"), *path = in_folder("data.raw");
	struct err err = ERR_INIT;
	struct stat st;

	if (ext4_create(cache, path, 16384 * MIB, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 16384 * MIB);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(st.st_blocks * 512 < 4 * MIB);
	assert_clean(path);
}

static void a_disk_has_what_is_in_a_folder(void **state _unused_)
{
	_cleanup_free_ char *from = in_folder("from"), *file = in_folder("from/file"),
			    *path = in_folder("filled.raw");
	char *const argv[] = { (char *)"debugfs", (char *)"-R", (char *)"cat /file", path, NULL };
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(mkdir(from, 0755), 0);
	assert_int_equal(file_replace(AT_FDCWD, file, "hello", 5, 0640, 0), 0);
	if (ext4_create_from(from, path, 64 * MIB, &err) < 0)
		fail_msg("%s", err.msg);
	assert_clean(path);
	spec.argv = argv;
	spec.out = &out;
	assert_int_equal(child_run(&spec, &err), 0);
	assert_string_equal(out.data, "hello");
	assert_int_equal(ext4_create_from(from, path, 64 * MIB, &err), -EEXIST);
	err = ERR_INIT;
	assert_true(ext4_create_from("/nowhere", file, 64 * MIB, &err) < 0);
}

static void the_second_disk_of_a_size_is_a_copy_of_its_own(void **state _unused_)
{
	_cleanup_free_ char *cache = in_folder("cache"), *one = in_folder("1"),
			    *two = in_folder("2");
	_cleanup_close_ int fd = -EBADF;
	struct err err = ERR_INIT;

	assert_int_equal(ext4_create(cache, one, 64 * MIB, &err), 0);
	fd = open(one, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "garbage", 7, 1024), 7);
	assert_int_equal(ext4_create(cache, two, 64 * MIB, &err), 0);
	assert_clean(two);
}

static void a_disk_that_is_there_is_left_alone(void **state _unused_)
{
	_cleanup_free_ char *cache = in_folder("cache"), *path = in_folder("data.raw"),
			    *text = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(file_replace(AT_FDCWD, path, "mine", 4, 0600, 0), 0);
	assert_int_equal(ext4_create(cache, path, 64 * MIB, &err), -EEXIST);
	assert_int_equal(file_read(AT_FDCWD, path, 64, &text, NULL), 0);
	assert_string_equal(text, "mine");
}

static int64_t opened_size(const char *cache, const char *path, int64_t size)
{
	_cleanup_close_ int fd = -EBADF;
	struct err err = ERR_INIT;
	struct stat st;

	if (ext4_open(cache, path, size, &fd, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

static void a_disk_becomes_larger_and_never_smaller(void **state _unused_)
{
	_cleanup_free_ char *cache = in_folder("cache"), *path = in_folder("data.raw");

	assert_int_equal(opened_size(cache, path, 64 * MIB), 64 * MIB);
	assert_int_equal(opened_size(cache, path, 96 * MIB - 1), 96 * MIB);
	assert_int_equal(opened_size(cache, path, 32 * MIB), 96 * MIB);
}

static void a_failed_disk_leaves_nothing_behind(void **state _unused_)
{
	_cleanup_free_ char *cache = in_folder("cache"), *path = in_folder("none/data.raw");
	struct err err = ERR_INIT;

	assert_true(ext4_create(cache, path, 0, &err) < 0);
	assert_true(err_is_set(&err));
	assert_int_equal(rmdir(cache), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_disk_is_sparse_and_clean),
		TEST(a_disk_has_what_is_in_a_folder),
		TEST(the_second_disk_of_a_size_is_a_copy_of_its_own),
		TEST(a_disk_that_is_there_is_left_alone),
		TEST(a_disk_becomes_larger_and_never_smaller),
		TEST(a_failed_disk_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("sys/ext4", tests, NULL, NULL);
}
