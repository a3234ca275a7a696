// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/vector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void test_a_part_of_segments_is_copied_and_zeroed(void **state)
{
	char a[4] = "abc", b[1] = { '.' }, c[6] = "defgh", out[8] = "";
	struct iovec iov[] = { { a, 3 }, { b, 0 }, { c, 5 } };
	struct vector all = { iov, 3, 0, 8 }, part = vector_part(&all, 2, 4);
	struct iovec list[4];
	uint64_t len;

	(void)state;
	vector_get(&part, out, 4);
	assert_memory_equal(out, "cdef", 5);
	vector_put(&part, "CDEF", 4);
	assert_string_equal(a, "abC");
	assert_string_equal(c, "DEFgh");
	assert_int_equal(vector_list(&part, list, 4, &len), 2);
	assert_int_equal(len, 4);
	assert_ptr_equal(list[1].iov_base, c);
	assert_int_equal(list[1].iov_len, 3);
	assert_int_equal(vector_list(&part, list, 1, &len), 1);
	assert_int_equal(len, 1);
	part = vector_part(&part, 3, 1);
	vector_zero(&part);
	assert_memory_equal(c, "DE\0gh", 6);
	part = vector_part(&part, 1, 0);
	vector_zero(&part);
	assert_memory_equal(c, "DE\0gh", 6);
}

static void test_lengths_that_overflow_are_seen(void **state)
{
	struct iovec iov[] = { { NULL, SIZE_MAX }, { NULL, 2 } };

	(void)state;
	assert_true(vector_bytes(iov, 2) == UINT64_MAX);
	assert_true(vector_bytes(iov + 1, 1) == 2);
}

static void test_alignment_is_that_of_every_segment(void **state)
{
	static char data[2048] __attribute__((aligned(512)));
	struct iovec iov[] = { { data, 512 }, { data + 1024, 1024 } };
	struct vector v = { iov, 2, 0, 1536 };

	(void)state;
	assert_true(vector_aligned(&v, 512, 512));
	assert_false(vector_aligned(&v, 512, 1024));
	iov[1].iov_base = data + 1;
	assert_false(vector_aligned(&v, 512, 512));
	assert_true(vector_aligned(&v, 1, 512));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_part_of_segments_is_copied_and_zeroed),
		cmocka_unit_test(test_lengths_that_overflow_are_seen),
		cmocka_unit_test(test_alignment_is_that_of_every_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
