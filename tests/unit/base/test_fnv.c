// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/fnv.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* The vectors of draft-eastlake-fnv, appendix C. */
static void hashes_are_those_of_the_draft(void **state _unused_)
{
	assert_int_equal(fnv_mix32(FNV_32, "", 0), 0x811c9dc5);
	assert_int_equal(fnv_mix32(FNV_32, "a", 1), 0xe40c292c);
	assert_int_equal(fnv_mix32(FNV_32, "foobar", 6), 0xbf9cf968);
	assert_true(fnv_mix64(FNV_64, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
	assert_true(fnv_mix64(FNV_64, "foobar", 6) == UINT64_C(0x85944171f73967e8));
}

static void a_hash_goes_on_where_it_was(void **state _unused_)
{
	assert_int_equal(fnv_mix32(fnv_mix32(FNV_32, "foo", 3), "bar", 3), 0xbf9cf968);
	assert_true(fnv_mix64(fnv_mix64(FNV_64, "foo", 3), "bar", 3) ==
		    UINT64_C(0x85944171f73967e8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_are_those_of_the_draft),
		cmocka_unit_test(a_hash_goes_on_where_it_was),
	};

	return cmocka_run_group_tests_name("base/fnv", tests, NULL, NULL);
}
