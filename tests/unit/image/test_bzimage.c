// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/bzimage.h"
#include "base/mem.h"
#include "kernel_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define RELEASE "6.1.0-56-cloud-amd64"

static void refuses(const struct buf *image, int code, const char *why)
{
	_cleanup_free_ char *out = NULL;
	struct err err = ERR_INIT;
	size_t len = 0;

	assert_int_equal(bzimage_unpack(image->data, image->len, &out, &len, &err), code);
	assert_non_null(strstr(err.msg, why));
	assert_null(out);
}

static void every_packing_gives_the_same_kernel(void **state _unused_)
{
	static const char *const formats[] = { "lz4", "gzip", "xz", "zstd", "lzma" };
	size_t len;
	_cleanup_free_ char *elf = fixture_elf(RELEASE, &len);

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_buf_ struct buf image = BUF_INIT;
		_cleanup_free_ char *out = NULL;
		struct err err = ERR_INIT;
		size_t n = 0;

		fixture_kernel(formats[i], RELEASE, &image);
		assert_true(bzimage_is(image.data, image.len));
		assert_int_equal(bzimage_unpack(image.data, image.len, &out, &n, &err), 0);
		assert_int_equal(n, len);
		assert_memory_equal(out, elf, len);
	}
}

static void the_header_names_the_release(void **state _unused_)
{
	_cleanup_buf_ struct buf image = BUF_INIT;
	char release[BZIMAGE_RELEASE_MAX + 1];
	struct err err = ERR_INIT;

	fixture_kernel("lz4", RELEASE, &image);
	assert_int_equal(bzimage_release(image.data, image.len, release, &err), 0);
	assert_string_equal(release, RELEASE);
	memcpy(image.data + 0x20e, "\0\0", 2);
	assert_int_equal(bzimage_release(image.data, image.len, release, &err), 0);
	assert_string_equal(release, "");
	memcpy(image.data + 0x20e, "\xff\xff", 2);
	assert_int_equal(bzimage_release(image.data, image.len, release, &err), -EINVAL);
}

static void a_release_is_a_single_name(void **state _unused_)
{
	static const char *const bad[] = { "", "../x", "a/b", "-x", ".", "..", "6.1;rm", "\x01" };
	char release[BZIMAGE_RELEASE_MAX + 1], text[100];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(bzimage_parse_release(bad[i], strlen(bad[i]), release), -EINVAL);
	assert_int_equal(bzimage_parse_release("6.12.9+bpo-cloud_x~1 #1", 23, release), 0);
	assert_string_equal(release, "6.12.9+bpo-cloud_x~1");
	memset(text, 'a', sizeof(text));
	assert_int_equal(bzimage_parse_release(text, 64, release), 0);
	assert_int_equal(bzimage_parse_release(text, 65, release), -EINVAL);
}

static void what_is_cut_short_is_refused(void **state _unused_)
{
	_cleanup_buf_ struct buf image = BUF_INIT;

	fixture_kernel("lz4", RELEASE, &image);
	for (size_t len = image.len - 1; len > 0x250; len -= len / 7 + 1) {
		image.len = len;
		refuses(&image, -EINVAL, "truncated");
	}
	image.len = 0x24f;
	refuses(&image, -EINVAL, "no x86 kernel");
	image.len = 0;
	refuses(&image, -EINVAL, "no x86 kernel");
}

static void a_header_that_lies_is_refused(void **state _unused_)
{
	static const struct {
		size_t at;
		const char *bytes;
		size_t len;
		const char *why;
	} lies[] = {
		{ 0x1fe, "\0\0", 2, "no x86 kernel" },
		{ 0x202, "HdrX", 4, "no x86 kernel" },
		{ 0x206, "\x07\x02", 2, "older than 2.08" },
		{ 0x211, "\0", 1, "older than 2.08" },
		{ 0x248, "\xff\xff\xff\xff", 4, "its header is wrong" },
		{ 0x24c, "\xff\xff\xff\xff", 4, "its header is wrong" },
		{ 0x24c, "\x04\0\0\0", 4, "its header is wrong" },
		{ 0x1f1, "\xff", 1, "its header is wrong" },
		{ 0x440, "\x1f\x8b\x08\0", 4, "corrupt" },
		{ 0x440, "\0\0\0\0", 4, "no known format" },
		{ 0x444, "\xff\xff\xff\x7f", 4, "corrupt" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		_cleanup_buf_ struct buf image = BUF_INIT;

		fixture_kernel("lz4", RELEASE, &image);
		memcpy(image.data + lies[i].at, lies[i].bytes, lies[i].len);
		refuses(&image, -EINVAL, lies[i].why);
	}
}

static void a_size_that_is_not_the_payloads_is_refused(void **state _unused_)
{
	static const uint32_t sizes[] = { 0, 1, 100, 5000, 100000, UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_buf_ struct buf image = BUF_INIT;

		fixture_kernel("zstd", RELEASE, &image);
		memcpy(image.data + image.len - 4, &sizes[i], 4);
		refuses(&image, -EINVAL, "its ");
	}
}

static void a_packing_that_is_not_unpacked_is_named(void **state _unused_)
{
	_cleanup_buf_ struct buf payload = BUF_INIT, image = BUF_INIT;

	buf_add(&payload, "BZh91AY&SY\0\x10\0\0", 14);
	fixture_bzimage(RELEASE, &payload, &image);
	refuses(&image, -EOPNOTSUPP, "bzip2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_packing_gives_the_same_kernel),
		cmocka_unit_test(the_header_names_the_release),
		cmocka_unit_test(a_release_is_a_single_name),
		cmocka_unit_test(what_is_cut_short_is_refused),
		cmocka_unit_test(a_header_that_lies_is_refused),
		cmocka_unit_test(a_size_that_is_not_the_payloads_is_refused),
		cmocka_unit_test(a_packing_that_is_not_unpacked_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
