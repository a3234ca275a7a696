// SPDX-License-Identifier: GPL-2.0-or-later
#include "tree_stage.h"

static void a_file_goes_to_a_new_name_or_into_a_folder(void **state)
{
	struct stage *stage = *state;

	put(stage->from, "a", "one", 0640);
	copy(stage, "a", 0, "b", 0);
	assert_text(stage->to, "b", "one");
	assert_int_equal(stat_of(stage->to, "b").st_mode, S_IFREG | 0640);
	mkdirat(stage->to, "d", 0755);
	copy(stage, "/a", 0, "d", 0);
	assert_text(stage->to, "d/a", "one");
	copy(stage, "a", 0, "d/", 0);
	put(stage->from, "a", "two", 0644);
	copy(stage, "a", 0, "/b", 0);
	assert_text(stage->to, "b", "two");
	copy(stage, "a", 0, "/", 0);
	assert_text(stage->to, "a", "two");
}

static void a_folder_goes_to_a_new_name_into_a_folder_or_its_contents_do(void **state)
{
	struct stage *stage = *state;

	mkdirat(stage->from, "d", 0750);
	put(stage->from, "d/x", "x", 0644);
	copy(stage, "d", 0, "new", 0);
	assert_text(stage->to, "new/x", "x");
	assert_int_equal(stat_of(stage->to, "new").st_mode, S_IFDIR | 0750);
	copy(stage, "d", 0, "new", 0);
	assert_text(stage->to, "new/d/x", "x");
	mkdirat(stage->to, "old", 0711);
	put(stage->to, "old/kept", "kept", 0644);
	copy(stage, "d", TREE_CONTENTS, "old", 0);
	assert_text(stage->to, "old/x", "x");
	assert_text(stage->to, "old/kept", "kept");
	assert_int_equal(stat_of(stage->to, "old").st_mode, S_IFDIR | 0711);
	copy(stage, "d", TREE_CONTENTS, "fresh", 0);
	assert_text(stage->to, "fresh/x", "x");
	copy(stage, "d", 0, "slash/", 0);
	assert_text(stage->to, "slash/x", "x");
	copy(stage, "/", 0, "/", 0);
	assert_text(stage->to, "d/x", "x");
}

static void what_cannot_be_is_refused_with_a_reason(void **state)
{
	struct stage *stage = *state;

	put(stage->from, "a", "a", 0644);
	mkdirat(stage->from, "d", 0755);
	put(stage->to, "file", "f", 0644);
	mkdirat(stage->to, "folder", 0755);
	mkdirat(stage->to, "folder/a", 0755);
	assert_int_equal(send_tree(stage, "missing", 0), -ENOENT);
	assert_non_null(strstr(stage->err.msg, "missing"));
	assert_int_equal(send_tree(stage, "a/", 0), -ENOTDIR);
	assert_int_equal(send_tree(stage, "a", TREE_CONTENTS), -ENOTDIR);

	assert_int_equal(send_tree(stage, "a", 0), 0);
	assert_int_equal(receive_tree(stage, "no/such/folder", 0), -ENOENT);
	assert_int_equal(receive_tree(stage, "nofolder/", 0), -ENOTDIR);
	assert_int_equal(receive_tree(stage, "file/", 0), -ENOTDIR);
	assert_int_equal(receive_tree(stage, "file/x", 0), -ENOTDIR);
	assert_true(receive_tree(stage, "folder", 0) < 0); /* folder/a is a folder */
	assert_true(S_ISDIR(stat_of(stage->to, "folder/a").st_mode));
	assert_int_equal(send_tree(stage, "d", 0), 0);
	assert_int_equal(receive_tree(stage, "file", 0), -ENOTDIR);
	assert_text(stage->to, "file", "f");
}

static void hard_cases_arrive_as_they_were(void **state)
{
	static const char odd[] = "d/ -new\nline \xc3\xa4\xff";
	struct stage *stage = *state;
	struct timespec times[2] = { { 1000000000, 5 }, { 1234567890, 987654321 } };
	struct stat st;
	char target[16] = "";

	mkdirat(stage->from, "d", 0755);
	mkdirat(stage->from, "d/empty", 0700);
	put(stage->from, "d/none", "", 0400);
	put(stage->from, odd, "odd", 0755);
	put(stage->from, "d/one", "shared", 0644);
	hard_link(stage->from, "d/one", stage->from, "d/two");
	hard_link(stage->from, "d/one", stage->from, "d/empty/three");
	link_to("/etc/passwd", stage->from, "d/absolute");
	link_to("no/such", stage->from, "d/dangling");
	mkfifoat(stage->from, "d/fifo", 0622);
	assert_int_equal(utimensat(stage->from, odd, times, 0), 0);
	assert_int_equal(utimensat(stage->from, "d", times, 0), 0);
	copy(stage, "d", 0, "d", 0);

	st = stat_of(stage->to, odd);
	assert_int_equal(st.st_mode, S_IFREG | 0755);
	assert_int_equal(st.st_mtim.tv_sec, 1234567890);
	assert_int_equal(st.st_mtim.tv_nsec, 987654321);
	assert_int_equal(stat_of(stage->to, "d").st_mtim.tv_sec, 1234567890);
	assert_int_equal(stat_of(stage->to, "d/none").st_size, 0);
	assert_int_equal(stat_of(stage->to, "d/none").st_mode, S_IFREG | 0400);
	st = stat_of(stage->to, "d/one");
	assert_int_equal(st.st_nlink, 3);
	assert_int_equal(stat_of(stage->to, "d/two").st_ino, st.st_ino);
	assert_int_equal(stat_of(stage->to, "d/empty/three").st_ino, st.st_ino);
	assert_int_equal(readlinkat(stage->to, "d/absolute", target, sizeof(target)), 11);
	assert_true(S_ISLNK(stat_of(stage->to, "d/dangling").st_mode));
	assert_true(S_ISFIFO(stat_of(stage->to, "d/fifo").st_mode));
}

static void holes_stay_holes(void **state)
{
	struct stage *stage = *state;
	int fd = openat(stage->from, "s", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	char end[4] = "";
	struct stat st;

	assert_int_equal(pwrite(fd, "head", 4, 0), 4);
	assert_int_equal(pwrite(fd, "tail", 4, (off_t)1 << 30), 4);
	assert_int_equal(ftruncate(fd, (off_t)3 << 30), 0);
	close(fd);
	copy(stage, "s", 0, "s", 0);
	st = stat_of(stage->to, "s");
	assert_int_equal(st.st_size, (off_t)3 << 30);
	assert_true(st.st_blocks < 1000);
	fd = openat(stage->to, "s", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, end, 4, (off_t)1 << 30), 4);
	assert_memory_equal(end, "tail", 4);
	close(fd);
}

static void large_files_arrive_whole(void **state)
{
	struct stage *stage = *state;
	size_t size = (3 << 20) + 17;
	char *data = mem_zalloc(size);
	_cleanup_free_ char *got = NULL;
	size_t len = 0;
	int fd = openat(stage->from, "big", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 2654435761U >> 13);
	assert_int_equal(file_write_all(fd, data, size), 0);
	close(fd);
	copy(stage, "big", 0, "big", 0);
	assert_int_equal(file_read(stage->to, "big", size, &got, &len), 0);
	assert_int_equal(len, size);
	assert_memory_equal(got, data, size);
	free(data);
}

static void owners_devices_and_set_id_come_only_with_archive(void **state)
{
	struct stage *stage = *state;
	struct stat st;

	if (geteuid())
		skip();
	mkdirat(stage->from, "d", 0755);
	put(stage->from, "d/s", "s", 0644);
	assert_int_equal(fchownat(stage->from, "d/s", 1234, 4321, 0), 0);
	assert_int_equal(fchmodat(stage->from, "d/s", 06755, 0), 0);
	link_to("x", stage->from, "d/l");
	assert_int_equal(fchownat(stage->from, "d/l", 5, 6, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(mknodat(stage->from, "d/null", S_IFCHR | 0666, makedev(1, 3)), 0);
	copy(stage, "d", 0, "plain", 0);
	st = stat_of(stage->to, "plain/s");
	assert_int_equal(st.st_mode, S_IFREG | 0755);
	assert_int_equal(st.st_uid, geteuid());
	assert_false(is_there(stage->to, "plain/null"));
	copy(stage, "d", 0, "all", TREE_ARCHIVE);
	st = stat_of(stage->to, "all/s");
	assert_int_equal(st.st_mode, S_IFREG | 06755);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(stat_of(stage->to, "all/l").st_uid, 5);
	st = stat_of(stage->to, "all/null");
	assert_int_equal(st.st_rdev, makedev(1, 3));
}

static void attributes_come_with_archive(void **state)
{
	/* CAP_NET_BIND_SERVICE, as setcap writes it */
	static const char capability[] = "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0";
	struct stage *stage = *state;
	char value[64];
	int fd;

	put(stage->from, "f", "f", 0755);
	fd = openat(stage->from, "f", O_RDONLY | O_CLOEXEC);
	if (geteuid() || fsetxattr(fd, "user.note", "hello", 5, 0) < 0) {
		close(fd);
		skip();
	}
	assert_int_equal(fsetxattr(fd, "security.capability", capability, 20, 0), 0);
	assert_int_equal(fsetxattr(fd, "trusted.secret", "x", 1, 0), 0);
	close(fd);
	copy(stage, "f", 0, "plain", 0);
	copy(stage, "f", 0, "all", TREE_ARCHIVE);
	fd = openat(stage->to, "plain", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(fd, "user.note", value, sizeof(value)), -1);
	close(fd);
	fd = openat(stage->to, "all", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(fd, "user.note", value, sizeof(value)), 5);
	assert_int_equal(fgetxattr(fd, "security.capability", value, sizeof(value)), 20);
	assert_int_equal(fgetxattr(fd, "trusted.secret", value, sizeof(value)), -1);
	close(fd);
}

static int copy_exact(struct stage *stage, const char *name, int64_t bytes_max)
{
	const struct tree_bounds bounds = { .bytes_max = bytes_max };

	stage->err = ERR_INIT;
	assert_int_equal(ftruncate(stage->stream, 0), 0);
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	if (tree_send_exact(stage->from, name, stage->stream, &stage->err) < 0)
		return stage->err.code;
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	return tree_receive_exact(stage->to, name, &bounds, stage->stream, &stage->err);
}

static void make_node(int dirfd, const char *name, mode_t mode, dev_t device)
{
	assert_int_equal(mknodat(dirfd, name, mode, device), 0);
	assert_int_equal(fchmodat(dirfd, name, mode & 07777, 0), 0);
}

static void assert_attribute(const struct stage *stage, const char *name, const char *attribute,
			     const char *expected)
{
	_cleanup_free_ char *path = mem_printf("%s/to/%s", stage->path, name);
	char value[256] = "";

	if (lgetxattr(path, attribute, value, sizeof(value) - 1) < 0)
		value[0] = '\0';
	assert_string_equal(value, expected);
}

static void set_attribute(const struct stage *stage, const char *name, const char *attribute,
			  const char *value)
{
	_cleanup_free_ char *path = mem_printf("%s/from/%s", stage->path, name);

	assert_int_equal(lsetxattr(path, attribute, value, strlen(value), 0), 0);
}

static void an_exact_copy_keeps_what_a_writable_layer_is_made_of(void **state)
{
	struct stage *stage = *state;
	struct timespec times[2] = { { 5, 6 }, { 1234, 987654321 } };
	static const char acl[] = "\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x07\0\x05\0\0\0"
				  "\x04\0\x04\0\xff\xff\xff\xff\x10\0\x07\0\xff\xff\xff\xff"
				  "\x20\0\x04\0\xff\xff\xff\xff";
	_cleanup_free_ char *up = mem_printf("%s/from/up", stage->path);
	char value[64];
	int up_from, fd;

	if (geteuid())
		skip();
	assert_int_equal(mkdirat(stage->from, "up", 0755), 0);
	assert_int_equal(chown(up, 7, 8), 0);
	assert_int_equal(setxattr(up, "system.posix_acl_default", acl, sizeof(acl) - 1, 0), 0);
	up_from = openat(stage->from, "up", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(up_from, "plain", "text", 04755);
	make_node(up_from, "gone", S_IFCHR, makedev(0, 0));
	hard_link(up_from, "gone", up_from, "gone-too");
	make_node(up_from, "disk", S_IFBLK | 0660, makedev(259, 70000));
	make_node(up_from, "socket", S_IFSOCK | 01702, 0);
	make_node(up_from, "fifo", S_IFIFO | 0604, 0);
	link_to("nowhere", up_from, "link");
	hard_link(up_from, "link", up_from, "link-too");
	assert_int_equal(fchownat(up_from, "link", 9, 10, AT_SYMLINK_NOFOLLOW), 0);
	set_attribute(stage, "up", "trusted.overlay.opaque", "y");
	set_attribute(stage, "up", "trusted.overlay.origin", "handle");
	set_attribute(stage, "up/plain", "user.a", "b");
	set_attribute(stage, "up/link", "trusted.mine", "z");
	set_attribute(stage, "up/fifo", "trusted.overlay.redirect", "/x");
	assert_int_equal(utimensat(up_from, "link", times, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(utimensat(up_from, "plain", times, 0), 0);
	close(up_from);
	fd = openat(stage->from, "up", O_RDONLY | O_CLOEXEC);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);

	if (copy_exact(stage, "up", 1 << 20) < 0)
		fail_msg("%s", stage->err.msg);
	assert_int_equal(stat_of(stage->to, "up").st_uid, 7);
	assert_int_equal(stat_of(stage->to, "up").st_mtim.tv_nsec, 987654321);
	assert_int_equal(stat_of(stage->to, "up/plain").st_mode, S_IFREG | 04755);
	assert_int_equal(stat_of(stage->to, "up/plain").st_mtim.tv_nsec, 987654321);
	assert_int_equal(stat_of(stage->to, "up/gone").st_rdev, 0);
	assert_int_equal(stat_of(stage->to, "up/gone").st_mode, S_IFCHR);
	assert_int_equal(stat_of(stage->to, "up/gone").st_ino,
			 stat_of(stage->to, "up/gone-too").st_ino);
	assert_int_equal(stat_of(stage->to, "up/disk").st_rdev, makedev(259, 70000));
	assert_int_equal(stat_of(stage->to, "up/socket").st_mode, S_IFSOCK | 01702);
	assert_int_equal(stat_of(stage->to, "up/fifo").st_mode, S_IFIFO | 0604);
	assert_int_equal(stat_of(stage->to, "up/link").st_nlink, 2);
	assert_int_equal(stat_of(stage->to, "up/link").st_gid, 10);
	assert_int_equal(stat_of(stage->to, "up/link").st_mtim.tv_sec, 1234);
	assert_attribute(stage, "up", "trusted.overlay.opaque", "y");
	assert_attribute(stage, "up", "trusted.overlay.origin", "");
	assert_attribute(stage, "up/plain", "user.a", "b");
	assert_attribute(stage, "up/link", "trusted.mine", "z");
	assert_attribute(stage, "up/fifo", "trusted.overlay.redirect", "/x");
	/* of its folder's default list it has nothing but what it had */
	fd = openat(stage->to, "up/plain", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(fd, "system.posix_acl_access", value, sizeof(value)),
			 sizeof(acl) - 1);
	close(fd);
	fd = openat(stage->to, "up", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(fd, "system.posix_acl_default", value, sizeof(value)),
			 sizeof(acl) - 1);
	close(fd);
}

static void an_exact_copy_takes_no_more_than_it_may(void **state)
{
	struct stage *stage = *state;

	mkdirat(stage->from, "up", 0755);
	for (char name[] = "up/a"; name[3] <= 'z'; name[3]++)
		put(stage->from, name, "text", 0644);
	assert_int_equal(copy_exact(stage, "up", INT64_C(20) * 4096), -ENOSPC);
	assert_int_equal(file_remove_tree(stage->to, "up"), 0);
	assert_int_equal(copy_exact(stage, "up", INT64_C(60) * 4096), 0);
	/* one that is there is not added to */
	assert_int_equal(copy_exact(stage, "up", INT64_C(60) * 4096), -EEXIST);
}

static void an_exact_copy_refuses_files_without_data(void **state)
{
	struct stage *stage = *state;

	mkdirat(stage->from, "up", 0755);
	put(stage->from, "up/f", "text", 0644);
	set_attribute(stage, "up/f", "user.overlay.metacopy", "");
	assert_int_equal(copy_exact(stage, "up", 1 << 20), -EOPNOTSUPP);
	assert_non_null(strstr(stage->err.msg, "metacopy"));
}

/* Nothing of a stream for `cp` has more rights because it is taken for an exact one, nor the other way round. */
static void exact_and_other_streams_are_not_taken_for_each_other(void **state)
{
	const struct tree_bounds bounds = { .bytes_max = 1 << 20 };
	struct stage *stage = *state;

	put(stage->from, "f", "text", 0644);
	assert_int_equal(send_tree(stage, "f", 0), 0);
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	assert_int_equal(tree_receive_exact(stage->to, "f", &bounds, stage->stream, &stage->err),
			 -EBADMSG);
	assert_int_equal(ftruncate(stage->stream, 0), 0);
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	assert_int_equal(tree_send_exact(stage->from, "f", stage->stream, &stage->err), 0);
	assert_int_equal(receive_tree(stage, "f", TREE_ARCHIVE), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_goes_to_a_new_name_or_into_a_folder),
		TEST(a_folder_goes_to_a_new_name_into_a_folder_or_its_contents_do),
		TEST(what_cannot_be_is_refused_with_a_reason),
		TEST(hard_cases_arrive_as_they_were),
		TEST(holes_stay_holes),
		TEST(large_files_arrive_whole),
		TEST(owners_devices_and_set_id_come_only_with_archive),
		TEST(attributes_come_with_archive),
		TEST(an_exact_copy_keeps_what_a_writable_layer_is_made_of),
		TEST(an_exact_copy_takes_no_more_than_it_may),
		TEST(an_exact_copy_refuses_files_without_data),
		TEST(exact_and_other_streams_are_not_taken_for_each_other),
	};

	return cmocka_run_group_tests_name("proto/tree", tests, NULL, NULL);
}
