// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void what_is_added_stands_in_order_and_ends_with_nul(void **state _unused_)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;

	buf_add(&buf, "ab\0c", 4);
	buf_add_str(&buf, "def");
	buf_printf(&buf, "-%d-%s", 7, "x");
	assert_int_equal(buf.len, 11);
	assert_memory_equal(buf.data, "ab\0cdef-7-x\0", 12);
}

static void it_grows_as_far_as_it_is_filled(void **state _unused_)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;

	for (int i = 0; i < 10000; i++)
		buf_printf(&buf, "%04d,", i);
	assert_int_equal(buf.len, 50000);
	assert_memory_equal(buf.data + 49990, "9998,9999,", 10);
}

static void consuming_drops_from_the_front(void **state _unused_)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;

	buf_consume(&buf, 5);
	buf_add_str(&buf, "hello world");
	buf_consume(&buf, 6);
	assert_string_equal(buf.data, "world");
	buf_consume(&buf, 100);
	assert_int_equal(buf.len, 0);
	assert_string_equal(buf.data, "");
}

static void taking_hands_the_string_over(void **state _unused_)
{
	struct buf buf = BUF_INIT;
	_cleanup_free_ char *empty = buf_take(&buf), *text = NULL, *reserved = NULL;

	assert_string_equal(empty, "");
	buf_add_str(&buf, "x");
	text = buf_take(&buf);
	assert_string_equal(text, "x");
	assert_null(buf.data);
	assert_int_equal(buf.len, 0);
	buf_reserve(&buf, 1000);
	reserved = buf_take(&buf);
	assert_string_equal(reserved, "");
}

static void a_released_buffer_is_usable_again(void **state _unused_)
{
	struct buf buf = BUF_INIT;

	buf_add_str(&buf, "x");
	buf_release(&buf);
	assert_null(buf.data);
	buf_add(&buf, NULL, 0);
	assert_string_equal(buf.data, "");
	buf_release(&buf);
	buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_stands_in_order_and_ends_with_nul),
		cmocka_unit_test(it_grows_as_far_as_it_is_filled),
		cmocka_unit_test(consuming_drops_from_the_front),
		cmocka_unit_test(taking_hands_the_string_over),
		cmocka_unit_test(a_released_buffer_is_usable_again),
	};

	return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
