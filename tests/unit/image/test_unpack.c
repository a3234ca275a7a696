// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/unpack.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/tar_reader.h"
#include "tar_writer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/*
 * Here the archives are unpacked without the confined process, so that nothing but the unpacking itself
 * keeps them in their folder: BASE/in. BASE/canary would be hit by those that lead out of it.
 */
struct place {
	char base[64];
	int fd; /* of BASE/in */
	struct buf tar;
	struct unpack_options options;
	struct unpack_result result;
	struct err err;
};

static int setup(void **state)
{
	struct place *place = mem_zalloc(sizeof(*place));
	_cleanup_free_ char *in = NULL, *canary = NULL;

	snprintf(place->base, sizeof(place->base), "/var/tmp/brig-unpack-XXXXXX");
	if (!mkdtemp(place->base))
		return -1;
	in = mem_printf("%s/in", place->base);
	canary = mem_printf("%s/canary", place->base);
	mkdir(in, 0755);
	mkdir(canary, 0755);
	place->fd = open(in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place->options.bytes_max = 1 << 20;
	place->options.entries_max = 100;
	place->options.want_end = 1;
	*state = place;
	return place->fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *canary = mem_printf("%s/canary", place->base);
	int r = rmdir(canary); /* fails if anything was written there */

	fd_close(place->fd);
	buf_release(&place->tar);
	file_remove_tree(AT_FDCWD, place->base);
	free(place);
	return r;
}

static int unpack_bytes(struct place *place, const void *data, size_t len)
{
	_cleanup_close_ int fd = memfd_create("tar", MFD_CLOEXEC);

	place->err = ERR_INIT;
	assert_int_equal(file_write_all(fd, data, len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return unpack_archive(fd, place->fd, &place->options, &place->result, &place->err);
}

/* Ends the tar and unpacks it; the next one begins. */
static int unpack(struct place *place)
{
	int r;

	tar_writer_end(&place->tar);
	r = unpack_bytes(place, place->tar.data, place->tar.len);
	buf_release(&place->tar);
	return r;
}

static void assert_good(struct place *place, int r)
{
	if (r < 0)
		fail_msg("%s", place->err.msg);
}

static void assert_file(struct place *place, const char *path, const char *content)
{
	_cleanup_free_ char *text = NULL;

	assert_int_equal(file_read(place->fd, path, 4096, &text, NULL), 0);
	assert_string_equal(text, content);
}

static void a_tree_is_unpacked_with_its_digest(void **state)
{
	struct place *place = *state;
	char hex[DIGEST_HEX_SIZE];
	struct stat st, twin;

	tar_writer_add(&place->tar, '5', "./", NULL, NULL);
	tar_writer_add(&place->tar, '5', "sbin/", NULL, NULL);
	tar_writer_add(&place->tar, '0', "sbin/init", NULL, "hello");
	tar_writer_add(&place->tar, '1', "twin", "sbin/init", NULL);
	tar_writer_add(&place->tar, '2', "link", "/sbin/init", NULL);
	tar_writer_add(&place->tar, '6', "fifo", NULL, NULL);
	tar_writer_end(&place->tar);
	digest_of(place->tar.data, place->tar.len, hex);
	assert_good(place, unpack_bytes(place, place->tar.data, place->tar.len));
	assert_string_equal(place->result.digest, hex);
	assert_int_equal(place->result.entries, 6);
	assert_true(place->result.has_init);
	assert_file(place, "sbin/init", "hello");
	assert_int_equal(fstatat(place->fd, "sbin/init", &st, 0), 0);
	assert_int_equal(fstatat(place->fd, "twin", &twin, 0), 0);
	assert_int_equal(st.st_ino, twin.st_ino);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	assert_int_equal(fstatat(place->fd, "sbin", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	assert_int_equal(fstatat(place->fd, "fifo", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISFIFO(st.st_mode));
}

static void nothing_is_written_outside_the_folder(void **state)
{
	static const struct {
		const char *link, *path;
	} table[] = {
		{ "x", "../canary/out" },	{ "x", "a/../../canary/out" },
		{ "../canary", "l/out" },	{ "./../canary", "l/out" },
		{ "../in/../canary", "l/out" },
	};
	struct place *place = *state;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_free_ char *absolute = mem_printf("%s/canary", place->base);

		tar_writer_add(&place->tar, '2', "l", table[i].link, NULL);
		tar_writer_add(&place->tar, '0', table[i].path, NULL, "x");
		assert_true(unpack(place) < 0);
		tar_writer_add(&place->tar, '2', "l", absolute, NULL);
		tar_writer_add(&place->tar, '0', "l/out", NULL, "x");
		assert_int_equal(unpack(place), -EXDEV);
		tar_writer_add(&place->tar, '2', "l", absolute, NULL);
		tar_writer_add(&place->tar, '5', "l/out/", NULL, NULL);
		assert_int_equal(unpack(place), -EXDEV);
		tar_writer_add(&place->tar, '2', "l", absolute, NULL);
		tar_writer_add(&place->tar, '2', "l/out", "x", NULL);
		assert_int_equal(unpack(place), -EXDEV);
	}
}

static void a_link_is_replaced_and_not_followed(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *victim = mem_printf("%s/victim", place->base);
	_cleanup_free_ char *text = NULL;

	assert_int_equal(file_replace(AT_FDCWD, victim, "safe", 4, 0644, 0), 0);
	tar_writer_add(&place->tar, '2', "f", victim, NULL);
	tar_writer_add(&place->tar, '0', "f", NULL, "new");
	tar_writer_add(&place->tar, '2', "d", place->base, NULL);
	tar_writer_add(&place->tar, '5', "d", NULL, NULL);
	tar_writer_add(&place->tar, '0', "d/canary", NULL, "new");
	assert_good(place, unpack(place));
	assert_file(place, "f", "new");
	assert_file(place, "d/canary", "new");
	assert_int_equal(file_read(AT_FDCWD, victim, 10, &text, NULL), 0);
	assert_string_equal(text, "safe");
	assert_int_equal(unlink(victim), 0);
}

static void a_hard_link_does_not_leave_the_folder(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *victim = mem_printf("%s/victim", place->base);

	assert_int_equal(file_replace(AT_FDCWD, victim, "safe", 4, 0644, 0), 0);
	tar_writer_add(&place->tar, '1', "f", "../victim", NULL);
	assert_int_equal(unpack(place), -EPERM);
	tar_writer_add(&place->tar, '1', "f", victim, NULL);
	assert_int_equal(unpack(place), -ENOENT);
	tar_writer_add(&place->tar, '2', "l", place->base, NULL);
	tar_writer_add(&place->tar, '1', "f", "l/victim", NULL);
	assert_int_equal(unpack(place), -EXDEV);
}

static void links_within_the_folder_are_followed(void **state)
{
	struct place *place = *state;

	tar_writer_add(&place->tar, '5', "usr/lib/", NULL, NULL);
	tar_writer_add(&place->tar, '2', "lib", "usr/lib", NULL);
	tar_writer_add(&place->tar, '0', "lib/new/f", NULL, "x");
	assert_good(place, unpack(place));
	assert_file(place, "usr/lib/new/f", "x");
}

static void links_do_not_make_a_tree_without_end(void **state)
{
#define DOWN "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d"
	struct place *place = *state;

	place->options.entries_max = 100000;
	tar_writer_add(&place->tar, '5', "l0", NULL, NULL);
	for (int i = 0; i < UNPACK_DEPTH_MAX / 30 + 2; i++) {
		_cleanup_free_ char *deep = mem_printf("l%d/" DOWN, i);
		_cleanup_free_ char *link = mem_printf("l%d", i + 1);

		tar_writer_add(&place->tar, '5', deep, NULL, NULL);
		tar_writer_add(&place->tar, '2', link, deep, NULL);
	}
	place->options.bytes_max = 1 << 30;
	assert_int_equal(unpack(place), -ENAMETOOLONG);
}

static void there_are_bounds_on_bytes_and_files(void **state)
{
	struct place *place = *state;
	char large[8192] = "";

	memset(large, 'x', sizeof(large) - 1);
	place->options.bytes_max = 16384;
	tar_writer_add(&place->tar, '0', "a", NULL, large);
	assert_good(place, unpack(place));
	tar_writer_add(&place->tar, '0', "a", NULL, large);
	tar_writer_add(&place->tar, '0', "b", NULL, large);
	assert_int_equal(unpack(place), -ENOSPC);
	place->options.bytes_max = 1 << 30;
	place->options.entries_max = 3;
	for (int i = 0; i < 4; i++)
		tar_writer_add(&place->tar, '0', "same", NULL, NULL);
	assert_int_equal(unpack(place), -EFBIG);
	tar_writer_add(&place->tar, '5', "e/f/g/h/i", NULL, NULL);
	assert_int_equal(unpack(place), -EFBIG);
}

static void whiteouts_become_what_overlayfs_reads(void **state)
{
	struct place *place = *state;
	char value[8] = "";
	struct stat st;
	int fd;

	if (geteuid() != 0)
		skip();
	tar_writer_add(&place->tar, '5', "a/", NULL, NULL);
	tar_writer_add(&place->tar, '0', "a/.wh.gone", NULL, NULL);
	tar_writer_add(&place->tar, '0', "a/.wh..wh..opq", NULL, NULL);
	tar_writer_add(&place->tar, '0', "kept", NULL, "x");
	tar_writer_add(&place->tar, '0', ".wh.kept", NULL, NULL);
	tar_writer_add(&place->tar, '0', ".wh.new", NULL, NULL);
	tar_writer_add(&place->tar, '5', "new/", NULL, NULL);
	assert_good(place, unpack(place));
	assert_int_equal(fstatat(place->fd, "a/gone", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
	assert_file(place, "kept", "x");
	for (int i = 0; i < 2; i++) {
		fd = openat(place->fd, i ? "a" : "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_int_equal(fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value)), 1);
		assert_int_equal(value[0], 'y');
		fd_close(fd);
	}
	for (int i = 0; i < 3; i++) {
		static const char *const bad[] = { ".wh.", ".wh..", ".wh..." };

		tar_writer_add(&place->tar, '0', bad[i], NULL, NULL);
		assert_int_equal(unpack(place), -EBADMSG);
	}
}

static void an_archive_of_images_is_known_by_its_first_name(void **state)
{
	static const struct {
		const char *path;
		int is_root;
	} table[] = {
		{ "oci-layout", 0 },
		{ "./index.json", 0 },
		{ "manifest.json", 0 },
		{ "blobs/sha256/", 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.tar", 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/VERSION", 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefg", 1 },
		{ "bin/sh", 1 },
		{ "blobs/other", 1 },
		{ "etc/index.json", 1 },
	};
	struct place *place = *state;

	place->options.plain_files = 1;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		tar_writer_add(&place->tar, '5', ".", NULL, NULL);
		tar_writer_add(&place->tar, '0', table[i].path, NULL,
			       table[i].path[0] == 'b' ? NULL : "x");
		assert_good(place, unpack(place));
		assert_int_equal(place->result.is_root, table[i].is_root);
	}
	assert_int_equal(faccessat(place->fd, "bin", F_OK, 0), -1); /* nothing was unpacked */
}

static void an_archive_of_images_has_no_devices(void **state)
{
	struct place *place = *state;

	place->options.plain_files = 1;
	tar_writer_add(&place->tar, '0', "oci-layout", NULL, "x");
	tar_writer_add(&place->tar, '3', "null", NULL, NULL);
	assert_int_equal(unpack(place), -EPERM);
}

static void every_cut_is_noticed(void **state)
{
	struct place *place = *state;
	size_t len;

	tar_writer_add(&place->tar, '5', "a/", NULL, NULL);
	tar_writer_add(&place->tar, '0', "a/f", NULL, "hello");
	len = place->tar.len;
	tar_writer_end(&place->tar);
	for (size_t cut = 0; cut < len; cut += 37)
		assert_true(unpack_bytes(place, place->tar.data, cut) < 0);
	assert_true(unpack_bytes(place, place->tar.data, len) < 0);
	assert_good(place, unpack_bytes(place, place->tar.data, place->tar.len));
}

static void for_a_user_marks_are_his_and_devices_are_left_out(void **state)
{
	struct place *place = *state;
	_cleanup_close_ int fd = -EBADF;
	char value[4] = "";
	struct stat st;

	place->options.for_user = place->options.one_owner = 1;
	tar_writer_add(&place->tar, '5', "shut/", NULL, NULL);
	tar_writer_add(&place->tar, '0', "shut/.wh..wh..opq", NULL, NULL);
	tar_writer_add(&place->tar, '0', ".wh.gone", NULL, NULL);
	tar_writer_add(&place->tar, '3', "null", NULL, NULL);
	tar_writer_add(&place->tar, '0', "after", NULL, "it");
	assert_good(place, unpack(place));
	assert_file(place, "after", "it");
	assert_int_equal(fstatat(place->fd, "null", &st, 0), -1);
	assert_int_equal(fstatat(place->fd, "gone", &st, 0), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
	fd = openat(place->fd, "shut", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fgetxattr(fd, "user.overlay.opaque", value, sizeof(value)), 1);
	assert_int_equal(fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value)), -1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_tree_is_unpacked_with_its_digest),
		CASE(nothing_is_written_outside_the_folder),
		CASE(a_link_is_replaced_and_not_followed),
		CASE(a_hard_link_does_not_leave_the_folder),
		CASE(links_within_the_folder_are_followed),
		CASE(links_do_not_make_a_tree_without_end),
		CASE(there_are_bounds_on_bytes_and_files),
		CASE(whiteouts_become_what_overlayfs_reads),
		CASE(for_a_user_marks_are_his_and_devices_are_left_out),
		CASE(an_archive_of_images_is_known_by_its_first_name),
		CASE(an_archive_of_images_has_no_devices),
		CASE(every_cut_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
