// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "base/strv.h"
#include "instance/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void a_median_is_in_the_middle_of_what_was_measured(void **state _unused_)
{
	_cleanup_bench_ struct bench bench = { 0 };
	struct bench_spread spread;

	assert_int_equal(bench_spread(&bench.series[0][BENCH_VM], &spread), 0);
	bench_add(&bench, 0, BENCH_VM, 30);
	bench_add(&bench, 0, BENCH_VM, 10);
	assert_int_equal(bench_spread(&bench.series[0][BENCH_VM], &spread), 1);
	assert_true(spread.median == 20);
	bench_add(&bench, 0, BENCH_VM, 11);
	assert_int_equal(bench_spread(&bench.series[0][BENCH_VM], &spread), 1);
	assert_true(spread.median == 11 && spread.min == 10 && spread.max == 30);
	assert_int_equal(bench_spread(&bench.series[0][BENCH_HOST], &spread), 0);
}

static void samples_far_apart_are_told_of(void **state _unused_)
{
	_cleanup_bench_ struct bench bench = { 0 };

	for (size_t i = 0; i < 3; i++) {
		bench_add(&bench, i, BENCH_CONTAINER, 100);
		bench_add(&bench, i, BENCH_CONTAINER, i == 1 ? 200 : 110);
	}
	bench_note_spread(&bench);
	assert_int_equal(strv_len(bench.notes), 1);
	assert_non_null(strstr(bench.notes[0], bench_measures[1].id));
	assert_null(strstr(bench.notes[0], bench_measures[0].id));
}

static void what_is_kept_is_what_was_measured(void **state _unused_)
{
	char root[] = "/tmp/brig-bench-XXXXXX";
	const struct instance_home home = { .root = mkdtemp(root) };
	_cleanup_free_ char *path = mem_printf("%s/" BENCH_FILE, root);
	_cleanup_bench_ struct bench bench = { .image = mem_strdup("a:1"),
					       .rounds = 2,
					       .taken = 77 };
	_cleanup_bench_ struct bench kept = { 0 };

	assert_int_equal(bench_load(&home, &kept), 0);
	assert_null(kept.image);
	bench_add(&bench, 3, BENCH_VM, 1.5);
	bench_add(&bench, 3, BENCH_VM, 2.5);
	bench_add(&bench, BENCH_MEASURES - 1, BENCH_HOST, 9);
	bench_save(&home, &bench);
	assert_int_equal(bench_load(&home, &kept), 1);
	assert_string_equal(kept.image, "a:1");
	assert_int_equal(kept.rounds, 2);
	assert_int_equal(kept.taken, 77);
	assert_int_equal(kept.series[3][BENCH_VM].n, 2);
	assert_true(kept.series[3][BENCH_VM].samples[1] == 2.5);
	assert_true(kept.series[BENCH_MEASURES - 1][BENCH_HOST].samples[0] == 9);
	assert_int_equal(kept.series[0][BENCH_CONTAINER].n, 0);
	assert_int_equal(truncate(path, 40), 0);
	bench_release(&kept);
	assert_int_equal(bench_load(&home, &kept), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_median_is_in_the_middle_of_what_was_measured),
		cmocka_unit_test(samples_far_apart_are_told_of),
		cmocka_unit_test(what_is_kept_is_what_was_measured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
