// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/erofs_head.h"
#include "base/take.h"

#include <endian.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define DIFF_ID "00112233445566778899aabbccddeeff0000000000000000000000000000000f"
#define SIZE	((off_t)3 * 4096)

/* The superblock's fields that count, at their places in struct erofs_super_block of Linux. */
static void put32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static uint32_t crc32c(const uint8_t *data, size_t len)
{
	uint32_t crc = UINT32_MAX;

	while (len--) {
		crc ^= *data++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return crc;
}

static int make(uint8_t block[4096])
{
	int fd = memfd_create("erofs", MFD_CLOEXEC);

	memset(block, 0, 4096);
	put32(block + 1024, 0xe0f5e1e2);
	block[1024 + 12] = 12;
	put32(block + 1024 + 36, SIZE / 4096);
	for (int i = 0; i < 16; i++)
		block[1024 + 48 + i] = (uint8_t)(i * 0x11);
	put32(block + 1024 + 4, crc32c(block + 1024, 3072));
	assert_int_equal(pwrite(fd, block, 4096, 0), 4096);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	return fd;
}

static void the_image_of_a_layer_is_told(void **state _unused_)
{
	uint8_t block[4096];
	_cleanup_close_ int fd = make(block);

	assert_null(erofs_head_check(fd, DIFF_ID));
	assert_string_equal(erofs_head_check(fd, "1" DIFF_ID), "is another layer's");
	assert_int_equal(ftruncate(fd, SIZE - 1), 0);
	assert_non_null(strstr(erofs_head_check(fd, DIFF_ID), "another size"));
	assert_int_equal(ftruncate(fd, 4095), 0);
	assert_non_null(strstr(erofs_head_check(fd, DIFF_ID), "too short"));
}

static void every_byte_of_the_head_counts(void **state _unused_)
{
	uint8_t block[4096];
	_cleanup_close_ int fd = make(block);

	for (size_t at = 1024; at < 4096; at++) {
		uint8_t other = block[at] ^ 1;

		assert_int_equal(pwrite(fd, &other, 1, (off_t)at), 1);
		assert_non_null(erofs_head_check(fd, DIFF_ID));
		assert_int_equal(pwrite(fd, &block[at], 1, (off_t)at), 1);
	}
	assert_null(erofs_head_check(fd, DIFF_ID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_image_of_a_layer_is_told),
		cmocka_unit_test(every_byte_of_the_head_counts),
	};

	return cmocka_run_group_tests_name("image/erofs_head", tests, NULL, NULL);
}
