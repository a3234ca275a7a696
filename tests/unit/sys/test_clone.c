// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/clone.h"
#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* A folder on a disk, which has holes and attributes, and in it `from`, the tree, and `to`, where it is cloned to. */
struct place {
	char *path;
	int from, to;
};

static int setup(void **state)
{
	struct place *place = mem_zalloc(sizeof(*place));

	place->path = mem_strdup("/var/tmp/brig-clone-XXXXXX");
	*state = place;
	if (!mkdtemp(place->path) || chdir(place->path) < 0 || mkdir("from", 0700) < 0 ||
	    mkdir("to", 0700) < 0 || mkdir("from/t", 0750) < 0)
		return -1;
	place->from = open("from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place->to = open("to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return place->from < 0 || place->to < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct place *place = *state;
	int r = chdir("/") < 0 ? -1 : file_remove_tree(AT_FDCWD, place->path);

	fd_close(place->from);
	fd_close(place->to);
	free(place->path);
	free(place);
	return r;
}

static void clone(void **state)
{
	const struct place *place = *state;
	struct err err = ERR_INIT;

	if (clone_tree(place->from, "t", place->to, "new", &err) < 0)
		fail_msg("%s", err.msg);
}

static int clone_error(void **state, struct err *err)
{
	const struct place *place = *state;

	*err = ERR_INIT;
	return clone_tree(place->from, "t", place->to, "new", err);
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st;
}

static void put(const char *path, const char *text)
{
	assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0644, 0), 0);
}

static void assert_same(const char *a, const char *b)
{
	struct stat x = stat_of(a), y = stat_of(b);

	assert_int_equal(x.st_mode, y.st_mode);
	assert_int_equal(x.st_uid, y.st_uid);
	assert_int_equal(x.st_gid, y.st_gid);
	assert_int_equal(x.st_rdev, y.st_rdev);
	assert_int_equal(x.st_nlink, y.st_nlink);
	assert_memory_equal(&x.st_mtim, &y.st_mtim, sizeof(x.st_mtim));
	if (!S_ISDIR(x.st_mode))
		assert_int_equal(x.st_size, y.st_size);
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void owners_modes_and_times_are_kept(void **state)
{
	const struct timespec times[2] = { { 1, 2 }, { 1000000000, 123456789 } };

	put("from/t/f", "text");
	assert_int_equal(mkdir("from/t/d", 0700), 0);
	put("from/t/d/g", "more");
	if (geteuid() == 0) {
		assert_int_equal(chown("from/t/f", 7, 8), 0);
		assert_int_equal(chown("from/t/d", 9, 10), 0);
	}
	assert_int_equal(chmod("from/t/f", 06751), 0);
	assert_int_equal(chmod("from/t/d", 01770), 0);
	assert_int_equal(utimensat(AT_FDCWD, "from/t/f", times, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, "from/t/d", times, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, "from/t", times, 0), 0);
	clone(state);
	assert_same("from/t", "to/new");
	assert_same("from/t/f", "to/new/f");
	assert_same("from/t/d", "to/new/d");
	assert_same("from/t/d/g", "to/new/d/g");
}

static void what_is_no_file_is_made_as_it_was(void **state)
{
	need_root();
	assert_int_equal(symlink("/etc/passwd", "from/t/link"), 0);
	assert_int_equal(lchown("from/t/link", 3, 4), 0);
	assert_int_equal(mkfifo("from/t/fifo", 0640), 0);
	assert_int_equal(mknod("from/t/sock", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(mknod("from/t/gone", S_IFCHR, makedev(0, 0)), 0);
	assert_int_equal(mknod("from/t/disk", S_IFBLK | 0660, makedev(7, 200)), 0);
	clone(state);
	assert_same("from/t/link", "to/new/link");
	assert_same("from/t/fifo", "to/new/fifo");
	assert_same("from/t/sock", "to/new/sock");
	assert_same("from/t/gone", "to/new/gone");
	assert_same("from/t/disk", "to/new/disk");
}

static void assert_xattr(const char *path, const char *name, const char *value)
{
	char got[64] = "";

	assert_int_equal(lgetxattr(path, name, got, sizeof(got)), strlen(value));
	assert_memory_equal(got, value, strlen(value));
}

static void every_attribute_is_kept(void **state)
{
	/* VFS_CAP_REVISION_2 with cap_net_raw, permitted and effective */
	static const uint8_t capability[20] = { 1, 0, 0, 2, 0, 0x20 };
	char got[64];

	need_root();
	put("from/t/f", "text");
	assert_int_equal(chown("from/t/f", 5, 5), 0);
	assert_int_equal(mknod("from/t/node", S_IFCHR, 0), 0);
	assert_int_equal(symlink("x", "from/t/link"), 0);
	assert_int_equal(setxattr("from/t/f", "user.a", "one", 3, 0), 0);
	assert_int_equal(setxattr("from/t/f", "user.empty", "", 0, 0), 0);
	assert_int_equal(
		setxattr("from/t/f", "security.capability", capability, sizeof(capability), 0), 0);
	assert_int_equal(setxattr("from/t", "trusted.overlay.opaque", "y", 1, 0), 0);
	assert_int_equal(lsetxattr("from/t/node", "trusted.n", "two", 3, 0), 0);
	assert_int_equal(lsetxattr("from/t/link", "trusted.l", "three", 5, 0), 0);
	clone(state);
	assert_xattr("to/new/f", "user.a", "one");
	assert_xattr("to/new/f", "user.empty", "");
	assert_int_equal(getxattr("to/new/f", "security.capability", got, sizeof(got)), 20);
	assert_memory_equal(got, capability, 20);
	assert_xattr("to/new", "trusted.overlay.opaque", "y");
	assert_xattr("to/new/node", "trusted.n", "two");
	assert_xattr("to/new/link", "trusted.l", "three");
	assert_int_equal(llistxattr("from/t/link", NULL, 0), llistxattr("to/new/link", NULL, 0));
}

/* u::rwx,u:7:rwx,g::---,m::rwx,o::--- as linux/posix_acl_xattr.h lays it out */
static const uint8_t access_list[] = {
	2, 0, 0,    0,	  1,	0,    7,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,	   7,
	0, 7, 0,    0,	  0,	4,    0,    0, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
	7, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,	   0xff, 0xff, 0xff, 0xff,
};

static void a_folders_default_access_list_is_kept_and_not_inherited(void **state)
{
	if (setxattr("from/t", "system.posix_acl_access", access_list, sizeof(access_list), 0) < 0)
		skip();
	put("from/t/f", "made before");
	assert_int_equal(
		setxattr("from/t", "system.posix_acl_default", access_list, sizeof(access_list), 0),
		0);
	clone(state);
	assert_int_equal(getxattr("to/new", "system.posix_acl_default", NULL, 0),
			 sizeof(access_list));
	assert_int_equal(getxattr("to/new", "system.posix_acl_access", NULL, 0),
			 sizeof(access_list));
	assert_int_equal(getxattr("to/new/f", "system.posix_acl_access", NULL, 0), -1);
	assert_same("from/t", "to/new");
	assert_same("from/t/f", "to/new/f");
}

static void hard_links_stay_links(void **state)
{
	put("from/t/a", "text");
	assert_int_equal(mkdir("from/t/d", 0755), 0);
	assert_int_equal(link("from/t/a", "from/t/d/b"), 0);
	assert_int_equal(link("from/t/a", "from/t/c"), 0);
	put("from/t/outside", "text");
	assert_int_equal(link("from/t/outside", "from/elsewhere"), 0);
	assert_int_equal(mkfifo("from/t/p", 0600), 0);
	assert_int_equal(link("from/t/p", "from/t/q"), 0);
	clone(state);
	assert_int_equal(stat_of("to/new/a").st_nlink, 3);
	assert_int_equal(stat_of("to/new/a").st_ino, stat_of("to/new/d/b").st_ino);
	assert_int_equal(stat_of("to/new/a").st_ino, stat_of("to/new/c").st_ino);
	assert_int_equal(stat_of("to/new/outside").st_nlink, 1);
	assert_int_equal(stat_of("to/new/p").st_ino, stat_of("to/new/q").st_ino);
	/* and what held them meanwhile is gone */
	assert_int_equal(rename("to/new", "new"), 0);
	assert_int_equal(rmdir("to"), 0);
}

static void holes_stay_holes(void **state)
{
	_cleanup_close_ int fd = open("from/t/f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char got[4] = "";

	assert_int_equal(pwrite(fd, "data", 4, 64 << 20), 4);
	assert_int_equal(ftruncate(fd, (off_t)1 << 30), 0);
	clone(state);
	assert_same("from/t/f", "to/new/f");
	assert_true(stat_of("to/new/f").st_blocks < 1000);
	fd_close(fd);
	fd = open("to/new/f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, got, 4, 64 << 20), 4);
	assert_memory_equal(got, "data", 4);
}

static void a_single_file_is_cloned_too(void **state)
{
	const struct place *place = *state;
	struct err err = ERR_INIT;

	put("from/f", "text");
	assert_int_equal(clone_tree(place->from, "f", place->to, "g", &err), 0);
	assert_same("from/f", "to/g");
	/* never over what is there */
	assert_int_equal(clone_tree(place->from, "f", place->to, "g", &err), -EEXIST);
	assert_string_equal(err.msg, "cannot copy 'f': File exists");
}

static void a_mount_is_not_entered(void **state)
{
	struct err err;

	need_root();
	assert_int_equal(mkdir("from/t/m", 0755), 0);
	if (mount("none", "from/t/m", "tmpfs", 0, NULL) < 0)
		skip();
	assert_int_equal(clone_error(state, &err), -EXDEV);
	assert_int_equal(umount2("from/t/m", MNT_DETACH), 0);
}

static void make_deep(int levels)
{
	_cleanup_close_ int fd = open("from/t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < levels; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fd_close(fd);
		fd = next;
	}
}

static void a_tree_is_cloned_as_deep_as_it_may_be(void **state)
{
	_cleanup_close_ int fd = -EBADF;
	int depth = 0;

	make_deep(CLONE_DEPTH_MAX);
	clone(state);
	fd = open("to/new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int next; (next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0; depth++) {
		fd_close(fd);
		fd = next;
	}
	assert_int_equal(depth, CLONE_DEPTH_MAX);
}

static void a_tree_without_an_end_is_refused(void **state)
{
	struct err err;

	make_deep(CLONE_DEPTH_MAX + 1);
	assert_int_equal(clone_error(state, &err), -ELOOP);
	assert_string_equal(err.msg, "folders lie more than 1000 deep in one another");
}

static void contents_are_shared_or_copied(void **state _unused_)
{
	_cleanup_close_ int in = -EBADF, out = open("g", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char got[8] = "";

	put("f", "content");
	in = open("f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(clone_file(in, out), 0);
	assert_int_equal(pread(out, got, sizeof(got), 0), 7);
	assert_string_equal(got, "content");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(owners_modes_and_times_are_kept),
		TEST(what_is_no_file_is_made_as_it_was),
		TEST(every_attribute_is_kept),
		TEST(a_folders_default_access_list_is_kept_and_not_inherited),
		TEST(hard_links_stay_links),
		TEST(holes_stay_holes),
		TEST(a_single_file_is_cloned_too),
		TEST(a_mount_is_not_entered),
		TEST(a_tree_is_cloned_as_deep_as_it_may_be),
		TEST(a_tree_without_an_end_is_refused),
		TEST(contents_are_shared_or_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
