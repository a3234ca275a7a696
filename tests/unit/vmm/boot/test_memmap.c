// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/memmap.h"
#include "made_kernel.h"
#include "vmm/layout.h"

static struct memmap_range ranges[MEMMAP_MAX];

static uint64_t total(size_t n, uint32_t type)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += ranges[i].type == type ? ranges[i].size : 0;
	return sum;
}

static void assert_orderly(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(ranges[i].size > 0);
		if (i)
			assert_true(ranges[i].gpa >= ranges[i - 1].gpa + ranges[i - 1].size);
	}
}

static void all_memory_but_the_firmware_s_is_the_kernel_s(void **state _unused_)
{
	static const uint64_t sizes[] = { 2 * MIB,    512 * MIB,   3072 * MIB,
					  3074 * MIB, 65536 * MIB, 262144 * MIB };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct ram *ram = made_ram(sizes[i], 0);
		size_t n = memmap_fill(ram, ranges);

		assert_orderly(n);
		assert_int_equal(total(n, MEMMAP_RAM),
				 sizes[i] - (LAYOUT_HIGH_MEMORY - LAYOUT_EBDA));
		for (size_t j = 0; j < n; j++) {
			if (ranges[j].type == MEMMAP_RAM)
				assert_non_null(ram_at(ram, ranges[j].gpa, ranges[j].size));
		}
		ram_free(ram);
	}
}

static void the_ecam_is_reserved(void **state _unused_)
{
	struct ram *ram = made_ram(2 * MIB, 0);
	size_t n = memmap_fill(ram, ranges), found = 0;

	for (size_t i = 0; i < n; i++)
		found += ranges[i].type == MEMMAP_RESERVED && ranges[i].gpa == LAYOUT_ECAM &&
			 ranges[i].size == LAYOUT_ECAM_SIZE;
	assert_int_equal(found, 1);
	ram_free(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_memory_but_the_firmware_s_is_the_kernel_s),
		cmocka_unit_test(the_ecam_is_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
