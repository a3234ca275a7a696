// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/tree_tar.h"
#include "../proto/tree_stage.h"
#include "image/tar_output.h"

static int archive(void)
{
	return memfd_create("tar", MFD_CLOEXEC);
}

static void add(struct tar_output *tar, const char *path, uint32_t mode, const char *text,
		const char *hard_link)
{
	struct err err = ERR_INIT;
	const struct tar_item item = { .path = path,
				       .link = hard_link,
				       .is_hard_link = hard_link != NULL,
				       .mode = mode,
				       .mtime = { .tv_sec = 77 },
				       .size = text ? (int64_t)strlen(text) : 0 };

	assert_int_equal(tar_output_add(tar, &item, &err), 0);
	if (text)
		assert_int_equal(tar_output_data(tar, text, strlen(text), &err), 0);
}

/* The archive's way to files. */
static int unpack(struct stage *stage, int tar)
{
	int r;

	assert_int_equal(ftruncate(stage->stream, 0), 0);
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	assert_int_equal(lseek(tar, 0, SEEK_SET), 0);
	stage->err = ERR_INIT;
	r = tree_tar_read_here(tar, stage->stream, &stage->err);
	if (r < 0)
		return r;
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	return tree_receive(stage->to, "/", TREE_ARCHIVE, stage->stream, &stage->err);
}

static void check_text(int dirfd, const char *path, const char *text)
{
	_cleanup_free_ char *found = NULL;

	assert_int_equal(file_read(dirfd, path, 4096, &found, NULL), 0);
	assert_string_equal(found, text);
}

static void entries_come_in_any_order(void **state)
{
	struct stage *stage = *state;
	_cleanup_close_ int fd = archive();
	_cleanup_tar_output_ struct tar_output *tar = tar_output_new(fd);

	add(tar, "./", S_IFDIR | 0700, NULL, NULL);
	add(tar, "a/b/deep", S_IFREG | 0640, "deep", NULL);
	add(tar, "top", S_IFREG | 0644, "top", NULL);
	add(tar, "a/beside", S_IFREG | 0644, "beside", NULL);
	add(tar, "a/b/", S_IFDIR | 0755, NULL, NULL);
	add(tar, "a/b/link", S_IFREG | 0644, NULL, "./top");
	add(tar, "/c/", S_IFDIR | 0751, NULL, NULL);
	add(tar, "top", S_IFREG | 0644, "again", NULL);
	assert_int_equal(tar_output_finish(tar, &stage->err), 0);
	assert_int_equal(unpack(stage, fd), 0);
	check_text(stage->to, "a/b/deep", "deep");
	check_text(stage->to, "a/beside", "beside");
	check_text(stage->to, "a/b/link", "top");
	check_text(stage->to, "top", "again");
	assert_int_equal(stat_of(stage->to, "a/b/deep").st_mode, S_IFREG | 0640);
	assert_int_equal(stat_of(stage->to, "c").st_mode, S_IFDIR | 0751);
	assert_int_equal(stat_of(stage->to, "c").st_mtim.tv_sec, 77);
	assert_int_equal(stat_of(stage->to, ".").st_mode, S_IFDIR | 0755);
}

static void what_leads_out_or_nowhere_is_refused(void **state)
{
	struct stage *stage = *state;
	static const struct {
		const char *path, *link;
	} bad[] = { { "a/../../out", NULL }, { "link", "../top" }, { "link", "nothing" } };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_close_ int fd = archive();
		_cleanup_tar_output_ struct tar_output *tar = tar_output_new(fd);

		add(tar, bad[i].path, S_IFREG | 0644, bad[i].link ? NULL : "x", bad[i].link);
		assert_int_equal(tar_output_finish(tar, &stage->err), 0);
		assert_int_equal(unpack(stage, fd), -EBADMSG);
		assert_true(err_is_set(&stage->err));
	}
}

static void an_archive_that_is_cut_is_refused(void **state)
{
	struct stage *stage = *state;
	_cleanup_close_ int fd = archive();
	_cleanup_tar_output_ struct tar_output *tar = tar_output_new(fd);

	add(tar, "top", S_IFREG | 0644, "top", NULL);
	assert_int_equal(tar_output_finish(tar, &stage->err), 0);
	assert_int_equal(ftruncate(fd, 512), 0);
	assert_true(unpack(stage, fd) < 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_true(unpack(stage, fd) < 0);
}

/* There and back: what was sent is what comes out of the archive. */
static void a_tree_survives_being_an_archive(void **state)
{
	struct stage *stage = *state;
	_cleanup_close_ int fd = archive();
	struct stat st;

	put(stage->from, "f", "text", 04755);
	link_to("f", stage->from, "l");
	assert_int_equal(linkat(stage->from, "f", stage->from, "g", 0), 0);
	assert_int_equal(mkfifoat(stage->from, "p", 0600), 0);
	put(stage->from, "hole", "front", 0644);
	{
		_cleanup_close_ int hole = openat(stage->from, "hole", O_WRONLY | O_CLOEXEC);

		assert_int_equal(pwrite(hole, "end", 3, 1 << 20), 3);
		assert_int_equal(ftruncate(hole, 2 << 20), 0);
	}
	assert_int_equal(tree_send(stage->from, "/", TREE_CONTENTS, stage->stream, &stage->err), 0);
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	assert_int_equal(tree_tar_write(stage->stream, stage->path, fd, &stage->err), 0);
	assert_int_equal(unpack(stage, fd), 0);
	check_text(stage->to, "f", "text");
	st = stat_of(stage->to, "f");
	assert_int_equal(st.st_mode, S_IFREG | 04755);
	assert_int_equal(st.st_ino, stat_of(stage->to, "g").st_ino);
	assert_int_equal(stat_of(stage->to, "p").st_mode, S_IFIFO | 0600);
	assert_int_equal(stat_of(stage->to, "l").st_mode & S_IFMT, S_IFLNK);
	st = stat_of(stage->to, "hole");
	assert_int_equal(st.st_size, 2 << 20);
	assert_true(st.st_blocks < 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(entries_come_in_any_order),
		TEST(what_leads_out_or_nowhere_is_refused),
		TEST(an_archive_that_is_cut_is_refused),
		TEST(a_tree_survives_being_an_archive),
	};

	return cmocka_run_group_tests_name("image/tree_tar", tests, NULL, NULL);
}
