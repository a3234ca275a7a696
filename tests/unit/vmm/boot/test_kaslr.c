// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/kaslr.h"
#include "made_kernel.h"

#define START  0x1000000ULL
#define SIZE   0x4000ULL
#define OFFSET 0x12600000ULL

/* The word for a place in the kernel. */
#define AT(place) (0x81000000U + (place))

static uint8_t image[SIZE];
static struct kaslr kaslr;

/* Behind 8 bytes of something else. */
static int take(const uint32_t *words, size_t n)
{
	uint32_t file[32] = { 'x', 'x' };
	int fd, r;

	assert_true(n <= ARRAY_SIZE(file) - 2);
	memcpy(file + 2, words, n * sizeof(*words));
	fd = made_file(file, (n + 2) * sizeof(*words));
	r = kaslr_read(fd, 8, (n + 2) * sizeof(*words), START, START + SIZE, &kaslr);
	fd_close(fd);
	return r;
}

static void put(size_t at, uint64_t value, size_t len)
{
	memcpy(image + at, &value, len);
}

static uint64_t get(size_t at, size_t len)
{
	uint64_t value = 0;

	memcpy(&value, image + at, len);
	return value;
}

static void prepare(void)
{
	memset(image, 0, sizeof(image));
	put(0x10, 0xffffffff81000123, 8);
	put(SIZE - 8, 0xffffffff81003000, 8);
	put(0x21, 0x81000456, 4);
	put(0x2000, 0x7f000000, 4);
}

static void a_kernel_moves_by_all_three_lists(void **state _unused_)
{
	const uint32_t words[] = { 0, AT(0x10), AT(SIZE - 8), 0, AT(0x2000), 0, AT(0x21) };

	prepare();
	assert_int_equal(take(words, ARRAY_SIZE(words)), 1);
	kaslr_apply(&kaslr, image, START, OFFSET);
	assert_int_equal(get(0x10, 8), 0xffffffff81000123 + OFFSET);
	assert_int_equal(get(SIZE - 8, 8), 0xffffffff81003000 + OFFSET);
	assert_int_equal(get(0x21, 4), 0x81000456 + OFFSET);
	assert_int_equal(get(0x25, 8), 0);
	assert_int_equal(get(0x2000, 4), 0x7f000000 - OFFSET);
	assert_int_equal(get(0x2004, 4), 0);
	kaslr_release(&kaslr);
}

static void newer_kernels_have_no_middle_list(void **state _unused_)
{
	const uint32_t words[] = { 0, AT(0x10), 0, AT(0x21) };

	prepare();
	assert_int_equal(take(words, ARRAY_SIZE(words)), 1);
	kaslr_apply(&kaslr, image, START, OFFSET);
	assert_int_equal(get(0x10, 8), 0xffffffff81000123 + OFFSET);
	assert_int_equal(get(0x21, 4), 0x81000456 + OFFSET);
	assert_int_equal(get(0x2000, 4), 0x7f000000);
	kaslr_release(&kaslr);
}

static void a_kernel_that_does_not_move_is_not_touched(void **state _unused_)
{
	const uint32_t words[] = { 0, AT(0x10), 0, AT(0x21) };

	assert_int_equal(take(words, ARRAY_SIZE(words)), 1);
	kaslr_apply(&kaslr, NULL, START, 0);
	kaslr_release(&kaslr);
}

static void odd_tables_are_none(void **state _unused_)
{
	static const struct {
		uint32_t words[8];
		size_t n;
	} odd[] = {
		{ { 0 }, 0 },
		{ { 0 }, 1 },
		{ { AT(0), 0, AT(4), 0, AT(8) }, 5 },	 /* does not begin with a zero */
		{ { 0, AT(0), AT(4), AT(8) }, 4 },	 /* one list */
		{ { 0, AT(0), 0, 0, 0, AT(8) }, 6 },	 /* four */
		{ { 0, AT(0), 0, 0, AT(SIZE - 7) }, 5 }, /* its last byte lies outside */
		{ { 0, AT(SIZE), 0, 0, AT(0) }, 5 },
		{ { 0, 0x80ffffff, 0, 0, AT(0) }, 5 }, /* one before the kernel */
		{ { 0, 0x01000000, 0, 0, AT(0) }, 5 }, /* not of the kernel's half */
		{ { 0, AT(0), 0, UINT32_MAX, 0, AT(8) }, 6 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		assert_int_equal(take(odd[i].words, odd[i].n), 0);
		kaslr_release(&kaslr);
	}
}

static void odd_sizes_are_none(void **state _unused_)
{
	const uint32_t words[] = { 0, AT(0x10), 0, AT(0x21), 0 };
	int fd = made_file(words, sizeof(words));

	assert_int_equal(kaslr_read(fd, 1, 16, START, START + SIZE, &kaslr), 0);
	assert_int_equal(kaslr_read(fd, 17, 16, START, START + SIZE, &kaslr), 0);
	assert_int_equal(kaslr_read(fd, 0, 16, START, KASLR_IMAGE_SIZE + 1, &kaslr), 0);
	assert_int_equal(kaslr_read(fd, 0, 16, START + 4096, START + SIZE, &kaslr), 0);
	assert_int_equal(kaslr_read(fd, 0, 16, START, START + 7, &kaslr), 0);
	assert_int_equal(kaslr_read(fd, 0, 24, START, START + SIZE, &kaslr), -EIO);
	kaslr_release(&kaslr);
	assert_int_equal(kaslr_read(fd, 0, 16, START, START + SIZE, &kaslr), 1);
	kaslr_release(&kaslr);
	fd_close(fd);
}

static void places_are_aligned_and_all_of_them_are_possible(void **state _unused_)
{
	const uint64_t start = 16 * MIB, len = 9 * MIB, limit = 31 * MIB;
	unsigned int seen = 0;

	for (uint64_t random = 0; random < 100; random++) {
		uint64_t place = kaslr_choose(start, len, limit, random);

		assert_int_equal(place % KASLR_ALIGN, 0);
		assert_true(start + place + len <= limit);
		seen |= 1U << (place / KASLR_ALIGN);
	}
	assert_int_equal(seen, 0xf);
	assert_int_equal(kaslr_choose(start, len, start + len, UINT64_MAX), 0);
	assert_int_equal(kaslr_choose(start, len, start + len - 1, UINT64_MAX), 0);
	assert_int_equal(kaslr_choose(start, len, start - 1, UINT64_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_moves_by_all_three_lists),
		cmocka_unit_test(newer_kernels_have_no_middle_list),
		cmocka_unit_test(a_kernel_that_does_not_move_is_not_touched),
		cmocka_unit_test(odd_tables_are_none),
		cmocka_unit_test(odd_sizes_are_none),
		cmocka_unit_test(places_are_aligned_and_all_of_them_are_possible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
