// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/take.h"
#include "sys/inroot.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

struct tree {
	char path[64];
	int outside, root; /* root is "root" in outside */
};

static int setup(void **state)
{
	static struct tree tree;

	snprintf(tree.path, sizeof(tree.path), "/tmp/brig-inroot-XXXXXX");
	if (!mkdtemp(tree.path))
		return -1;
	tree.outside = open(tree.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(tree.outside, "root", 0755) < 0 || mkdirat(tree.outside, "secret", 0755) < 0)
		return -1;
	tree.root = openat(tree.outside, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*state = &tree;
	return 0;
}

static int teardown(void **state)
{
	struct tree *tree = *state;

	fd_close(tree->root);
	fd_close(tree->outside);
	return file_remove_tree(AT_FDCWD, tree->path);
}

static int exists(int dir, const char *path)
{
	return faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void folders_are_made_with_their_parents(void **state)
{
	struct tree *tree = *state;
	struct stat st;

	assert_true(fd_close(inroot_make_dir(tree->root, "/a/b/c", 0750)) < 0);
	assert_int_equal(fstatat(tree->outside, "root/a/b/c", &st, 0), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_true(fd_close(inroot_make_file(tree->root, "/a/x/file", 0644)) < 0);
	assert_int_equal(fstatat(tree->outside, "root/a/x/file", &st, 0), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_true(fd_close(inroot_make_dir(tree->root, "/d/e/", 0755)) < 0);
	assert_true(exists(tree->outside, "root/d/e"));
}

static void what_is_there_is_taken_as_it_is(void **state)
{
	struct tree *tree = *state;
	int first = inroot_make_dir(tree->root, "/a", 0755), again;

	assert_true(first >= 0);
	again = inroot_make_dir(tree->root, "/a", 0700);
	assert_true(again >= 0);
	fd_close(first);
	fd_close(again);
	assert_int_equal(inroot_make_dir(tree->root, "/nothing\xff/../..", 0755) >= 0, 1);
}

static void no_link_leads_out(void **state)
{
	struct tree *tree = *state;
	int fd;

	assert_int_equal(symlinkat("../secret", tree->root, "up"), 0);
	assert_int_equal(symlinkat("/secret", tree->root, "absolute"), 0);
	assert_int_equal(symlinkat("../../../../../../etc", tree->root, "far"), 0);
	assert_int_equal(symlinkat("/proc/self/root", tree->root, "magic"), 0);
	assert_int_equal(inroot_open(tree->root, "/up", O_PATH), -ENOENT);
	assert_int_equal(inroot_open(tree->root, "/absolute", O_PATH), -ENOENT);
	assert_int_equal(inroot_open(tree->root, "/far/passwd", O_PATH), -ENOENT);
	assert_int_equal(inroot_open(tree->root, "/magic", O_PATH), -ENOENT);
	assert_true(inroot_make_dir(tree->root, "/up/x", 0755) < 0);
	assert_true(inroot_make_file(tree->root, "/absolute", 0644) < 0);
	assert_false(exists(tree->outside, "secret/x"));
	/* ".." stays at the root, as in a chroot */
	fd = inroot_make_dir(tree->root, "/../../escaped", 0755);
	assert_true(fd >= 0);
	fd_close(fd);
	assert_true(exists(tree->outside, "root/escaped"));
	assert_false(exists(tree->outside, "escaped"));
}

static void a_link_inside_leads_inside(void **state)
{
	struct tree *tree = *state;

	assert_true(fd_close(inroot_make_dir(tree->root, "/usr/lib", 0755)) < 0);
	assert_int_equal(symlinkat("/usr/lib", tree->root, "lib"), 0);
	assert_true(fd_close(inroot_make_file(tree->root, "/lib/x", 0644)) < 0);
	assert_true(exists(tree->outside, "root/usr/lib/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(folders_are_made_with_their_parents, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_there_is_taken_as_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(no_link_leads_out, setup, teardown),
		cmocka_unit_test_setup_teardown(a_link_inside_leads_inside, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
