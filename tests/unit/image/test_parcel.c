// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/parcel.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define TREE_SIZE ((size_t)3 << 20)

static char tree[TREE_SIZE];

/* Text that packs, but not to nothing. */
static void fill_tree(void)
{
	uint32_t seed = 1;

	for (size_t i = 0; i < TREE_SIZE; i++) {
		seed = seed * 1664525 + 1013904223;
		tree[i] = "etaoin shrdlu"[seed >> 29];
	}
}

static void read_file(int fd, struct buf *ret)
{
	ssize_t n;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	do {
		buf_reserve(ret, 1 << 16);
		n = read(fd, ret->data + ret->len, 1 << 16);
		assert_true(n >= 0);
		ret->len += (size_t)n;
	} while (n);
}

/* A whole parcel with tree_len bytes of the tree. */
static void make(enum parcel_compression compression, size_t tree_len, struct buf *ret)
{
	_cleanup_close_ int fd = memfd_create("parcel", MFD_CLOEXEC);
	_cleanup_parcel_ struct parcel *parcel = NULL;
	struct err err = ERR_INIT;

	fill_tree();
	parcel = parcel_new(fd, compression, &err);
	assert_non_null(parcel);
	assert_int_equal(parcel_document(parcel, "{\"a\": 1}", &err), 0);
	assert_int_equal(parcel_document(parcel, "second", &err), 0);
	assert_int_equal(parcel_tree(parcel, tree, tree_len / 3, &err), 0);
	assert_int_equal(parcel_tree(parcel, tree + tree_len / 3, tree_len - tree_len / 3, &err),
			 0);
	assert_int_equal(parcel_end(parcel, &err), 0);
	read_file(fd, ret);
}

/* What parcel_read() says of these bytes; what it passes on is in `out`, which is emptied first. */
static int read_bytes(const void *data, size_t len, int out, struct err *err)
{
	_cleanup_close_ int in = memfd_create("in", MFD_CLOEXEC);
	char checksum[DIGEST_HEX_SIZE];

	*err = ERR_INIT;
	assert_int_equal(file_write_all(in, data, len), 0);
	assert_int_equal(lseek(in, 0, SEEK_SET), 0);
	assert_int_equal(ftruncate(out, 0), 0);
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	return parcel_read(in, out, checksum, err);
}

static void assert_refused(const struct buf *bytes, const char *why)
{
	_cleanup_close_ int out = memfd_create("out", MFD_CLOEXEC);
	struct err err;

	assert_true(read_bytes(bytes->data, bytes->len, out, &err) < 0);
	assert_non_null(strstr(err.msg, why));
}

static void what_went_in_comes_out(void **state _unused_)
{
	for (int how = PARCEL_ZSTD; how <= PARCEL_PLAIN; how++) {
		_cleanup_close_ int out = memfd_create("out", MFD_CLOEXEC);
		_cleanup_buf_ struct buf bytes = BUF_INIT, passed = BUF_INIT;
		_cleanup_free_ char *first = NULL, *second = NULL;
		struct err err;

		make(how, TREE_SIZE, &bytes);
		assert_true(how == PARCEL_PLAIN || bytes.len < TREE_SIZE * 3 / 4);
		assert_int_equal(read_bytes(bytes.data, bytes.len, out, &err), 0);
		assert_int_equal(lseek(out, 0, SEEK_SET), 0);
		assert_int_equal(parcel_receive_document(out, &first, &err), 0);
		assert_int_equal(parcel_receive_document(out, &second, &err), 0);
		assert_string_equal(first, "{\"a\": 1}");
		assert_string_equal(second, "second");
		read_file(out, &passed);
		buf_consume(&passed, 8 + strlen(first) + strlen(second));
		assert_int_equal(passed.len, TREE_SIZE);
		assert_memory_equal(passed.data, tree, TREE_SIZE);
	}
}

static void a_cut_one_is_refused_wherever_it_was_cut(void **state _unused_)
{
	for (int how = PARCEL_ZSTD; how <= PARCEL_PLAIN; how++) {
		_cleanup_close_ int out = memfd_create("out", MFD_CLOEXEC);
		_cleanup_buf_ struct buf bytes = BUF_INIT;
		struct err err;

		make(how, 300, &bytes);
		for (size_t len = 0; len < bytes.len; len++)
			assert_true(read_bytes(bytes.data, len, out, &err) < 0);
		assert_int_equal(read_bytes(bytes.data, bytes.len, out, &err), 0);
	}
}

static void an_altered_one_is_refused_whatever_was_altered(void **state _unused_)
{
	_cleanup_close_ int out = memfd_create("out", MFD_CLOEXEC);
	_cleanup_buf_ struct buf bytes = BUF_INIT;
	struct err err;

	make(PARCEL_PLAIN, 300, &bytes);
	for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
		bytes.data[bit / 8] ^= (char)(1 << bit % 8);
		assert_true(read_bytes(bytes.data, bytes.len, out, &err) < 0);
		bytes.data[bit / 8] ^= (char)(1 << bit % 8);
	}
}

static void nothing_follows_the_end(void **state _unused_)
{
	for (int how = PARCEL_ZSTD; how <= PARCEL_PLAIN; how++) {
		_cleanup_buf_ struct buf bytes = BUF_INIT, twice = BUF_INIT;

		make(how, 300, &bytes);
		buf_add(&twice, bytes.data, bytes.len);
		buf_add(&twice, bytes.data, bytes.len);
		assert_refused(&twice, "something follows where it ends");
		buf_add(&bytes, "\n", 1);
		assert_refused(&bytes, "something follows where it ends");
	}
}

static void what_is_no_backup_or_a_newer_one_is_told_apart(void **state _unused_)
{
	_cleanup_buf_ struct buf bytes = BUF_INIT, empty = BUF_INIT;

	assert_refused(&empty, "no backup");
	make(PARCEL_PLAIN, 1, &bytes);
	bytes.data[8] = 2;
	assert_refused(&bytes, "version 2");
	bytes.data[0] = 'b';
	assert_refused(&bytes, "brig image import");
}

static void a_document_that_is_too_large_is_not_written(void **state _unused_)
{
	_cleanup_close_ int fd = memfd_create("parcel", MFD_CLOEXEC);
	_cleanup_free_ char *text = mem_zalloc(PARCEL_DOCUMENT_MAX + 2);
	struct err err = ERR_INIT;
	_cleanup_parcel_ struct parcel *parcel = parcel_new(fd, PARCEL_PLAIN, &err);

	memset(text, ' ', PARCEL_DOCUMENT_MAX + 1);
	assert_int_equal(parcel_document(parcel, text, &err), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_went_in_comes_out),
		cmocka_unit_test(a_cut_one_is_refused_wherever_it_was_cut),
		cmocka_unit_test(an_altered_one_is_refused_whatever_was_altered),
		cmocka_unit_test(nothing_follows_the_end),
		cmocka_unit_test(what_is_no_backup_or_a_newer_one_is_told_apart),
		cmocka_unit_test(a_document_that_is_too_large_is_not_written),
	};

	return cmocka_run_group_tests_name("image/parcel", tests, NULL, NULL);
}
