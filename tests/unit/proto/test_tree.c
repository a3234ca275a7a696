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
	};

	return cmocka_run_group_tests_name("proto/tree", tests, NULL, NULL);
}
