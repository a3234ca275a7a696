// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/tree.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "proto/tree-internal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <cmocka.h>

/* Two folders, from/ and to/, and a stream between them in memory. */
struct stage {
	char path[64];
	int from, to, stream;
	struct err err;
};

static int setup(void **state)
{
	struct stage *stage = mem_zalloc(sizeof(*stage));
	int fd;

	memcpy(stage->path, "/var/tmp/brig-test-XXXXXX", 26);
	assert_non_null(mkdtemp(stage->path));
	fd = open(stage->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(fd, "from", 0755), 0);
	assert_int_equal(mkdirat(fd, "to", 0755), 0);
	stage->from = openat(fd, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stage->to = openat(fd, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stage->stream = memfd_create("stream", MFD_CLOEXEC);
	close(fd);
	*state = stage;
	return 0;
}

static int teardown(void **state)
{
	struct stage *stage = *state;

	close(stage->from);
	close(stage->to);
	close(stage->stream);
	assert_int_equal(file_remove_tree(AT_FDCWD, stage->path), 0);
	free(stage);
	return 0;
}

static void put(int dirfd, const char *name, const char *text, mode_t mode)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void link_to(const char *target, int dirfd, const char *name)
{
	assert_int_equal(symlinkat(target, dirfd, name), 0);
}

static void hard_link(int olddir, const char *old, int newdir, const char *name)
{
	assert_int_equal(linkat(olddir, old, newdir, name, 0), 0);
}

static void assert_text(int dirfd, const char *name, const char *expected)
{
	_cleanup_free_ char *text = NULL;

	assert_int_equal(file_read(dirfd, name, 1 << 20, &text, NULL), 0);
	assert_string_equal(text, expected);
}

static struct stat stat_of(int dirfd, const char *name)
{
	struct stat st = { 0 };

	assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static int is_there(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int send_tree(struct stage *stage, const char *path, unsigned int flags)
{
	stage->err = ERR_INIT;
	assert_int_equal(ftruncate(stage->stream, 0), 0);
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	return tree_send(stage->from, path, flags, stage->stream, &stage->err);
}

static int receive_tree(struct stage *stage, const char *path, unsigned int flags)
{
	stage->err = ERR_INIT;
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	return tree_receive(stage->to, path, flags, stage->stream, &stage->err);
}

static void copy(struct stage *stage, const char *from, unsigned int send_flags, const char *to,
		 unsigned int receive_flags)
{
	assert_int_equal(send_tree(stage, from, send_flags), 0);
	if (receive_tree(stage, to, receive_flags) < 0)
		fail_msg("%s", stage->err.msg);
}

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

static void proc_files_are_read_to_their_end(void **state)
{
	struct stage *stage = *state;
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), from = stage->from;

	stage->from = proc;
	copy(stage, "version", 0, "version", 0);
	stage->from = from;
	close(proc);
	assert_true(stat_of(stage->to, "version").st_size > 10);
}

static void symlinks_are_followed_when_asked_and_stay_in_the_root(void **state)
{
	struct stage *stage = *state;

	mkdirat(stage->from, "etc", 0755);
	put(stage->from, "etc/passwd", "inside", 0644);
	link_to("/etc/passwd", stage->from, "l");
	link_to("../../../../../../etc", stage->from, "up");
	link_to("loop", stage->from, "loop");
	copy(stage, "l", 0, "link", 0);
	assert_true(S_ISLNK(stat_of(stage->to, "link").st_mode));
	copy(stage, "l", TREE_FOLLOW, "l", 0);
	assert_text(stage->to, "l", "inside");
	copy(stage, "up/passwd", 0, "p", 0);
	assert_text(stage->to, "p", "inside");
	copy(stage, "up/", 0, "e", 0);
	assert_text(stage->to, "e/passwd", "inside");
	copy(stage, "etc/../../../etc/passwd", 0, "q", 0);
	assert_text(stage->to, "q", "inside");
	assert_int_equal(send_tree(stage, "loop", TREE_FOLLOW), -ELOOP);
}

static void a_target_that_is_a_symlink_leads_inside_the_root(void **state)
{
	struct stage *stage = *state;

	put(stage->from, "a", "new", 0644);
	mkdirat(stage->to, "run", 0755);
	put(stage->to, "run/conf", "old", 0644);
	link_to("../../run/conf", stage->to, "conf");
	link_to("/run", stage->to, "dir");
	link_to("/run/fresh", stage->to, "dangling");
	copy(stage, "a", 0, "conf", 0);
	assert_text(stage->to, "run/conf", "new");
	assert_true(S_ISLNK(stat_of(stage->to, "conf").st_mode));
	copy(stage, "a", 0, "dir", 0);
	assert_text(stage->to, "run/a", "new");
	copy(stage, "a", 0, "dangling", 0);
	assert_text(stage->to, "run/fresh", "new");
}

static void nothing_is_written_through_what_lies_in_the_target(void **state)
{
	struct stage *stage = *state;
	_cleanup_free_ char *outside = mem_printf("%s/from", stage->path);

	mkdirat(stage->from, "d", 0755);
	mkdirat(stage->from, "d/sub", 0755);
	put(stage->from, "d/sub/x", "new", 0644);
	put(stage->from, "d/f", "new", 0644);
	put(stage->from, "precious", "old", 0644);
	put(stage->to, "linked", "old", 0644);
	mkdirat(stage->to, "d", 0755);
	/* a symlink where a folder should be, one where a file should, and a hard link */
	link_to(outside, stage->to, "d/sub");
	assert_int_equal(send_tree(stage, "d", 0), 0);
	assert_int_equal(receive_tree(stage, "/", 0), -ENOTDIR);
	assert_false(is_there(stage->from, "x"));
	unlinkat(stage->to, "d/sub", 0);
	unlinkat(stage->to, "d/f", 0);
	hard_link(stage->to, "linked", stage->to, "d/f");
	assert_int_equal(receive_tree(stage, "/", 0), 0);
	assert_text(stage->to, "d/f", "new");
	assert_text(stage->to, "linked", "old");
	unlinkat(stage->to, "d/f", 0);
	link_to("../../from/precious", stage->to, "d/f");
	assert_int_equal(receive_tree(stage, "/", 0), 0);
	assert_text(stage->to, "d/f", "new");
	assert_text(stage->from, "precious", "old");
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

/* Streams that no sender of ours makes */

static void record(struct buf *out, enum tree_record type, const struct buf *payload)
{
	wire_put_u8(out, (uint8_t)type);
	wire_put_bytes(out, payload ? payload->data : NULL, payload ? payload->len : 0);
}

static void start(struct buf *out)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u32(&payload, TREE_MAGIC);
	wire_put_u16(&payload, TREE_VERSION);
	wire_put_u8(&payload, 0);
	record(out, TREE_RECORD_START, &payload);
}

static void entry(struct buf *out, struct tree_entry entry)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	tree_entry_put(&payload, &entry);
	record(out, TREE_RECORD_ENTRY, &payload);
}

static void file_end(struct buf *out, uint64_t size)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u64(&payload, size);
	record(out, TREE_RECORD_FILE_END, &payload);
}

static int receive_bytes(struct stage *stage, const struct buf *bytes, size_t len)
{
	assert_int_equal(ftruncate(stage->stream, 0), 0);
	assert_int_equal(pwrite(stage->stream, bytes->data, len, 0), (ssize_t)len);
	return receive_tree(stage, "/", TREE_ARCHIVE);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = { "", ".", "..", "/", "a/b", "../x", "/etc/x" };
	struct stage *stage = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT, inner = BUF_INIT;
		_cleanup_free_ char *name = mem_strdup(names[i]), *d = mem_strdup("d");

		start(&out);
		entry(&out, (struct tree_entry){ .mode = S_IFREG | 0644, .name = name });
		file_end(&out, 0);
		record(&out, TREE_RECORD_END, NULL);
		assert_int_equal(receive_bytes(stage, &out, out.len), -EBADMSG);
		start(&inner);
		entry(&inner, (struct tree_entry){ .mode = S_IFDIR | 0755, .name = d });
		entry(&inner, (struct tree_entry){ .mode = S_IFDIR | 0755, .name = name });
		record(&inner, TREE_RECORD_DIR_END, NULL);
		record(&inner, TREE_RECORD_DIR_END, NULL);
		record(&inner, TREE_RECORD_END, NULL);
		assert_int_equal(receive_bytes(stage, &inner, inner.len), -EBADMSG);
	}
}

static void links_reach_only_what_the_stream_brought(void **state)
{
	struct stage *stage = *state;
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_free_ char *d = mem_strdup("d"), *f = mem_strdup("f"), *g = mem_strdup("g");

	put(stage->to, "f", "mine", 0644);
	start(&out);
	entry(&out, (struct tree_entry){ .mode = S_IFDIR | 0755, .name = d });
	entry(&out, (struct tree_entry){ .mode = S_IFREG, .name = g, .shared = 1, .again = 1 });
	assert_int_equal(receive_bytes(stage, &out, out.len), -EBADMSG);
	out.len = 0;
	start(&out);
	entry(&out, (struct tree_entry){ .mode = S_IFDIR | 0755, .name = d });
	entry(&out, (struct tree_entry){ .mode = S_IFREG, .name = f, .shared = 1 });
	file_end(&out, 0);
	/* the file gives way to a symlink before the link to it is asked for */
	entry(&out, (struct tree_entry){ .mode = S_IFLNK, .name = f, .target = f });
	entry(&out, (struct tree_entry){ .mode = S_IFREG, .name = g, .shared = 1, .again = 1 });
	assert_int_equal(receive_bytes(stage, &out, out.len), -EAGAIN);
	assert_false(is_there(stage->to, "d/g"));
}

static void too_deep_a_tree_is_refused(void **state)
{
	struct stage *stage = *state;
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_free_ char *d = mem_strdup("d");

	start(&out);
	for (int i = 0; i < TREE_DEPTH_MAX + 1; i++)
		entry(&out, (struct tree_entry){ .mode = S_IFDIR | 0755, .name = d });
	assert_int_equal(receive_bytes(stage, &out, out.len), -ELOOP);
}

static void impossible_records_are_refused(void **state)
{
	struct stage *stage = *state;
	_cleanup_free_ char *f = mem_strdup("f");
	struct buf out = BUF_INIT, payload = BUF_INIT;

	start(&out);
	record(&out, TREE_RECORD_DIR_END, NULL);
	assert_int_equal(receive_bytes(stage, &out, out.len), -EBADMSG);
	out.len = 0;
	start(&out);
	record(&out, TREE_RECORD_END, NULL);
	assert_int_equal(receive_bytes(stage, &out, out.len), -EBADMSG);
	out.len = 0;
	start(&out);
	entry(&out, (struct tree_entry){ .mode = S_IFREG, .name = f });
	wire_put_u64(&payload, INT64_MAX);
	buf_add_str(&payload, "xy");
	record(&out, TREE_RECORD_DATA, &payload);
	assert_int_equal(receive_bytes(stage, &out, out.len), -EFBIG);
	out.len = 0;
	wire_put_u8(&out, TREE_RECORD_START);
	wire_put_u32(&out, UINT32_MAX);
	assert_int_equal(receive_bytes(stage, &out, out.len), -EBADMSG);
	buf_release(&out);
	buf_release(&payload);
}

static void a_cut_stream_is_always_noticed(void **state)
{
	struct stage *stage = *state;
	struct buf whole = BUF_INIT;
	struct stat st;

	mkdirat(stage->from, "d", 0755);
	put(stage->from, "d/a", "some text", 0644);
	hard_link(stage->from, "d/a", stage->from, "d/b");
	link_to("a", stage->from, "d/l");
	assert_int_equal(send_tree(stage, "d", 0), 0);
	assert_int_equal(fstat(stage->stream, &st), 0);
	buf_reserve(&whole, (size_t)st.st_size);
	whole.len = (size_t)pread(stage->stream, whole.data, (size_t)st.st_size, 0);
	assert_int_equal(receive_bytes(stage, &whole, whole.len), 0);
	for (size_t len = 0; len < whole.len; len++)
		assert_int_equal(receive_bytes(stage, &whole, len), -EPIPE);
	buf_release(&whole);
}

static void messages_hold_no_control_characters(void **state)
{
	struct stage *stage = *state;

	assert_true(send_tree(stage, "evil\033[2J\n", 0) < 0);
	assert_null(strpbrk(stage->err.msg, "\033\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_goes_to_a_new_name_or_into_a_folder),
		TEST(a_folder_goes_to_a_new_name_into_a_folder_or_its_contents_do),
		TEST(what_cannot_be_is_refused_with_a_reason),
		TEST(hard_cases_arrive_as_they_were),
		TEST(holes_stay_holes),
		TEST(large_files_arrive_whole),
		TEST(proc_files_are_read_to_their_end),
		TEST(symlinks_are_followed_when_asked_and_stay_in_the_root),
		TEST(a_target_that_is_a_symlink_leads_inside_the_root),
		TEST(nothing_is_written_through_what_lies_in_the_target),
		TEST(owners_devices_and_set_id_come_only_with_archive),
		TEST(attributes_come_with_archive),
		TEST(names_that_lead_elsewhere_are_refused),
		TEST(links_reach_only_what_the_stream_brought),
		TEST(too_deep_a_tree_is_refused),
		TEST(impossible_records_are_refused),
		TEST(a_cut_stream_is_always_noticed),
		TEST(messages_hold_no_control_characters),
	};

	return cmocka_run_group_tests_name("proto/tree", tests, NULL, NULL);
}
