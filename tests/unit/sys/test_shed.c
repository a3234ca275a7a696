// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/shed.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* KiB in memory of the mapping that has that address. */
static unsigned long resident(const void *at)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	unsigned long found = 0;
	char line[512];
	int here = 0;

	assert_non_null(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		char *rest;
		uintptr_t start = strtoul(line, &rest, 16);

		if (rest != line && *rest == '-')
			here = start <= (uintptr_t)at &&
			       (uintptr_t)at < strtoul(rest + 1, NULL, 16);
		else if (here && !strncmp(line, "Rss:", 4))
			found = strtoul(line + 4, NULL, 10);
	}
	(void)fclose(smaps);
	return found;
}

/* Larger than what the kernel maps at a fault. */
enum { TABLE_SIZE = 1 << 20, TABLE_STEP = 4096 };
static const char table[TABLE_SIZE] = { 1, [TABLE_SIZE - 1] = 7 };

static int touch(void)
{
	int sum = 0;

	for (size_t i = 0; i < sizeof(table); i += TABLE_STEP)
		sum += *(const volatile char *)&table[i];
	return sum;
}

static void what_is_the_files_goes_and_comes_back(void **state _unused_)
{
	unsigned long before;

	assert_int_equal(touch(), 1);
	before = resident(table);
	assert_true(before >= TABLE_SIZE / 1024); /* KiB */
	shed();
	assert_true(resident(table) < before / 2);
	assert_int_equal(touch(), 1);
	assert_int_equal(table[TABLE_SIZE - 1], 7);
}

static int (*volatile relocated[])(void) = { touch, rand };
static int written = 3;

static void what_was_written_stays(void **state _unused_)
{
	char *kept = strdup("kept");

	written = 4;
	shed();
	assert_int_equal(written, 4);
	assert_int_equal(relocated[0](), 1);
	assert_string_equal(kept, "kept");
	free(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_the_files_goes_and_comes_back),
		cmocka_unit_test(what_was_written_stays),
	};

	return cmocka_run_group_tests_name("sys/shed", tests, NULL, NULL);
}
