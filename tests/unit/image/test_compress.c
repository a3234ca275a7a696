// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/compress.h"
#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SIZE ((size_t)3 << 20)

/* Reads fd through a stream to its end; the digest of what came out. */
static int64_t read_all(int fd, char hex[DIGEST_HEX_SIZE])
{
	_cleanup_tar_stream_ struct tar_stream *stream = NULL;
	struct err err = ERR_INIT;
	const void *data = NULL;
	int64_t total = 0;
	size_t len = 0;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(tar_stream_open(fd, &stream, &err), 0);
	while (tar_stream_read(stream, &data, &len, &err) > 0)
		total += (int64_t)len;
	assert_false(err_is_set(&err));
	tar_stream_digest(stream, hex);
	return total;
}

static void what_is_compressed_comes_out_again(void **state _unused_)
{
	_cleanup_close_ int plain = memfd_create("plain", MFD_CLOEXEC);
	_cleanup_close_ int packed = memfd_create("packed", MFD_CLOEXEC);
	_cleanup_tar_stream_ struct tar_stream *stream = NULL;
	_cleanup_free_ char *bytes = mem_zalloc(SIZE);
	char hex[DIGEST_HEX_SIZE], found[DIGEST_HEX_SIZE];
	struct err err = ERR_INIT;
	struct stat st;

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)('a' + i / 1000 % 20);
	assert_int_equal(file_write_all(plain, bytes, SIZE), 0);
	assert_int_equal(lseek(plain, 0, SEEK_SET), 0);
	assert_int_equal(tar_stream_open(plain, &stream, &err), 0);
	assert_int_equal(compress_stream(stream, packed, NULL, NULL, &err), 0);
	tar_stream_digest(stream, found);
	digest_of(bytes, SIZE, hex);
	assert_string_equal(found, hex);
	assert_int_equal(fstat(packed, &st), 0);
	assert_true(st.st_size > 0 && st.st_size < (int64_t)SIZE / 20);
	assert_int_equal(read_all(packed, found), SIZE);
	assert_string_equal(found, hex);
}

static void an_empty_file_is_refused(void **state _unused_)
{
	_cleanup_close_ int fd = memfd_create("empty", MFD_CLOEXEC);
	struct tar_stream *stream = NULL;
	struct err err = ERR_INIT;

	assert_true(tar_stream_open(fd, &stream, &err) < 0);
	assert_null(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_compressed_comes_out_again),
		cmocka_unit_test(an_empty_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
