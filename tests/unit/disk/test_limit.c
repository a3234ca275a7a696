// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000000)

/* What passes in so many seconds by someone who takes pieces and waits as told. */
static uint64_t passed(uint64_t rate, uint64_t piece, int64_t seconds)
{
	struct limit limit;
	int64_t now = 5 * SECOND, end = now + seconds * SECOND;
	uint64_t sum = 0;

	limit_init(&limit, rate, now);
	while (now < end) {
		int64_t wait = limit_wait(&limit, now);

		if (wait > 0) {
			now += wait;
			continue;
		}
		limit_take(&limit, piece);
		sum += piece;
	}
	return sum;
}

static void test_the_rate_holds_over_time(void **state)
{
	(void)state;
	assert_in_range(passed(1000, 1, 10), 10000, 10000 + 101);
	assert_in_range(passed(100 << 20, 4096, 3), UINT64_C(300) << 20, (UINT64_C(311)) << 20);
	assert_in_range(passed(1, 1, 20), 20, 22);
}

static void test_a_request_larger_than_the_rate_passes_and_is_paid_for(void **state)
{
	(void)state;
	assert_in_range(passed(1 << 20, 8 << 20, 64), 64 << 20, 73 << 20);
}

static void test_what_was_not_used_is_not_kept_for_long(void **state)
{
	struct limit limit;
	int n = 0;

	(void)state;
	limit_init(&limit, 100, 0);
	for (; limit_wait(&limit, 3600 * SECOND) == 0; n++)
		limit_take(&limit, 1);
	assert_int_equal(n, 10);
}

static void test_no_rate_is_no_limit(void **state)
{
	struct limit limit;

	(void)state;
	limit_init(&limit, 0, 0);
	limit_take(&limit, UINT64_MAX);
	assert_int_equal(limit_wait(&limit, 0), 0);
}

static void test_any_number_can_be_given(void **state)
{
	struct limit limit;

	(void)state;
	limit_init(&limit, UINT64_MAX, 0);
	assert_int_equal(limit_wait(&limit, INT64_MAX), 0);
	for (int i = 0; i < 10; i++)
		limit_take(&limit, UINT64_MAX);
	assert_true(limit_wait(&limit, INT64_MAX) >= 0);
	limit_init(&limit, 1, 0);
	limit_take(&limit, UINT64_MAX);
	assert_true(limit_wait(&limit, 0) > 0);
	assert_true(limit_wait(&limit, -1) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_rate_holds_over_time),
		cmocka_unit_test(test_a_request_larger_than_the_rate_passes_and_is_paid_for),
		cmocka_unit_test(test_what_was_not_used_is_not_kept_for_long),
		cmocka_unit_test(test_no_rate_is_no_limit),
		cmocka_unit_test(test_any_number_can_be_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
