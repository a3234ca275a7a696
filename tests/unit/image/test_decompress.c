// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/decompress.h"
#include "base/mem.h"
#include "kernel_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const char *const formats[] = { "lz4", "gzip", "xz", "zstd", "lzma" };

/* Text that packs, but not to nothing. */
static char *sample(size_t len)
{
	char *data = mem_zalloc(len);
	uint32_t seed = 1;

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		data[i] = "etaoin shrdlu"[seed >> 29];
	}
	return data;
}

static void every_format_is_known_and_unpacked(void **state _unused_)
{
	const size_t len = 300000;
	_cleanup_free_ char *data = sample(len);

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_buf_ struct buf packed = BUF_INIT;
		_cleanup_free_ char *out = NULL;
		const struct decompress_format *format;
		size_t n = 0;

		fixture_pack(formats[i], data, len, &packed);
		format = decompress_detect(packed.data, packed.len);
		assert_string_equal(format->name, formats[i]);
		assert_int_equal(decompress_new(format, packed.data, packed.len, 1 << 20, &out, &n),
				 0);
		assert_int_equal(n, len);
		assert_memory_equal(out, data, len);
	}
}

static void a_cut_stream_is_refused(void **state _unused_)
{
	const size_t len = 300000;
	_cleanup_free_ char *data = sample(len);

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_buf_ struct buf packed = BUF_INIT;
		_cleanup_free_ char *out = NULL;
		const struct decompress_format *format;
		size_t n = 0;

		fixture_pack(formats[i], data, len, &packed);
		format = decompress_detect(packed.data, packed.len);
		assert_int_equal(
			decompress_new(format, packed.data, packed.len / 2, 1 << 20, &out, &n),
			-EBADMSG);
		assert_null(out);
	}
}

static void no_more_than_the_bound_is_unpacked(void **state _unused_)
{
	const size_t len = 1 << 20;
	_cleanup_free_ char *zeroes = mem_zalloc(len);

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_buf_ struct buf packed = BUF_INIT;
		_cleanup_free_ char *out = NULL;
		const struct decompress_format *format;
		size_t n = 0;

		fixture_pack(formats[i], zeroes, len, &packed);
		format = decompress_detect(packed.data, packed.len);
		assert_int_equal(decompress_new(format, packed.data, packed.len, len - 1, &out, &n),
				 -EFBIG);
		assert_null(out);
		assert_int_equal(decompress_new(format, packed.data, packed.len, len, &out, &n), 0);
		assert_int_equal(n, len);
	}
}

static void several_lz4_frames_follow_one_another(void **state _unused_)
{
	_cleanup_buf_ struct buf packed = BUF_INIT;
	char out[6];
	size_t n = 0;

	fixture_pack("lz4", "one", 3, &packed);
	fixture_pack("lz4", "two", 3, &packed);
	assert_int_equal(decompress_into(decompress_detect(packed.data, packed.len), packed.data,
					 packed.len, out, sizeof(out), &n),
			 0);
	assert_int_equal(n, 6);
	assert_memory_equal(out, "onetwo", 6);
}

static void what_is_not_unpacked_here_is_still_known(void **state _unused_)
{
	const struct decompress_format *format = decompress_detect("BZh91AY&SY", 10);
	char out[1];
	size_t n;

	assert_string_equal(format->name, "bzip2");
	assert_int_equal(decompress_into(format, "BZh9", 4, out, sizeof(out), &n), -EOPNOTSUPP);
	assert_null(decompress_detect("\177ELF", 4));
	assert_null(decompress_detect("\x1f", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_is_known_and_unpacked),
		cmocka_unit_test(a_cut_stream_is_refused),
		cmocka_unit_test(no_more_than_the_bound_is_unpacked),
		cmocka_unit_test(several_lz4_frames_follow_one_another),
		cmocka_unit_test(what_is_not_unpacked_here_is_still_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
