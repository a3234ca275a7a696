// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/diskuse.h"
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

#define MIB ((int64_t)1 << 20)

static char folder[] = "/tmp/test-diskuse.XXXXXX";
static char data[MIB];

static int setup(void **state _unused_)
{
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	memset(data, 'x', sizeof(data));
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state _unused_)
{
	return file_remove_tree(AT_FDCWD, folder);
}

static char *path_of(const char *name)
{
	return mem_printf("%s/%s", folder, name);
}

static void put(const char *name)
{
	_cleanup_free_ char *path = path_of(name);

	assert_int_equal(file_replace(AT_FDCWD, path, data, sizeof(data), 0600, 1), 0);
}

/* What names take, in whole MiB: folders and the like are less than one. */
static int64_t use_of(const char *one, const char *other)
{
	_cleanup_diskuse_ struct diskuse diskuse = { 0 };
	_cleanup_free_ char *first = path_of(one), *second = path_of(other);

	diskuse_add(&diskuse, first);
	diskuse_add(&diskuse, second);
	return diskuse.bytes / MIB;
}

static void folders_count_with_all_below_them(void **state _unused_)
{
	_cleanup_free_ char *sub = path_of("sub"), *deep = path_of("sub/deep");

	assert_int_equal(mkdir(sub, 0700) | mkdir(deep, 0700), 0);
	put("one");
	put("sub/two");
	put("sub/deep/three");
	assert_int_equal(use_of("", "none"), 3);
	assert_int_equal(use_of("sub", "one"), 3);
	assert_int_equal(use_of("sub/deep", "none"), 1);
}

static void a_file_with_two_names_counts_once(void **state _unused_)
{
	_cleanup_free_ char *one = path_of("one"), *two = path_of("two");

	if (geteuid())
		skip();
	put("one");
	assert_int_equal(link(one, two), 0);
	assert_int_equal(use_of("one", "two"), 1);
}

static void holes_and_what_links_lead_to_are_nothing(void **state _unused_)
{
	_cleanup_free_ char *file = path_of("holes"), *link = path_of("sub/link");
	_cleanup_free_ char *sub = path_of("sub");
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, 100 * MIB), 0);
	assert_int_equal(use_of("holes", "none"), 0);
	put("one");
	assert_int_equal(mkdir(sub, 0700) | symlink("../one", link), 0);
	assert_int_equal(use_of("sub", "none"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(folders_count_with_all_below_them, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_with_two_names_counts_once, setup, teardown),
		cmocka_unit_test_setup_teardown(holes_and_what_links_lead_to_are_nothing, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
