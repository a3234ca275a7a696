// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void values_come_back_in_order(void **state _unused_)
{
	char *words[] = { (char *)"one", (char *)"", (char *)"three", NULL };
	_cleanup_buf_ struct buf buf = BUF_INIT;
	_cleanup_free_ char *text = NULL, *nothing = NULL;
	_cleanup_strv_ char **v = NULL;
	struct wire_reader r;

	wire_put_u8(&buf, 200);
	wire_put_u16(&buf, 0xfedc);
	wire_put_u32(&buf, 0xfedcba98);
	wire_put_u64(&buf, UINT64_C(0xfedcba9876543210));
	wire_put_str(&buf, "text");
	wire_put_str(&buf, NULL);
	wire_put_strv(&buf, words);
	r = wire_read(buf.data, buf.len);
	assert_int_equal(wire_get_u8(&r), 200);
	assert_int_equal(wire_get_u16(&r), 0xfedc);
	assert_int_equal(wire_get_u32(&r), 0xfedcba98);
	assert_true(wire_get_u64(&r) == UINT64_C(0xfedcba9876543210));
	text = wire_get_str(&r);
	assert_string_equal(text, "text");
	nothing = wire_get_str(&r);
	assert_string_equal(nothing, "");
	v = wire_get_strv(&r);
	assert_int_equal(strv_len(v), 3);
	assert_string_equal(v[2], "three");
	assert_int_equal(wire_end(&r), 0);
}

static void integers_are_little_endian(void **state _unused_)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;

	wire_put_u32(&buf, 0x04030201);
	assert_memory_equal(buf.data, "\1\2\3\4", 4);
}

static void every_cut_is_noticed_and_yields_zeros(void **state _unused_)
{
	char *words[] = { (char *)"one", (char *)"two", NULL };
	_cleanup_buf_ struct buf buf = BUF_INIT;

	wire_put_str(&buf, "text");
	wire_put_strv(&buf, words);
	wire_put_u64(&buf, UINT64_MAX);
	for (size_t len = 0; len < buf.len; len++) {
		struct wire_reader r = wire_read(buf.data, len);
		_cleanup_free_ char *text = wire_get_str(&r);
		_cleanup_strv_ char **v = wire_get_strv(&r);

		assert_true(wire_get_u64(&r) == 0);
		assert_int_equal(wire_end(&r), -EBADMSG);
		assert_non_null(text);
		assert_true(strv_len(v) <= 2);
	}
}

static void bytes_left_over_are_noticed(void **state _unused_)
{
	struct wire_reader r = wire_read("\1\2", 2);

	assert_int_equal(wire_get_u8(&r), 1);
	assert_int_equal(wire_end(&r), -EBADMSG);
}

static void a_string_holds_no_nul(void **state _unused_)
{
	struct wire_reader r = wire_read("\3\0\0\0a\0b", 7);
	_cleanup_free_ char *text = wire_get_str(&r);

	assert_string_equal(text, "");
	assert_int_equal(wire_end(&r), -EBADMSG);
}

static void a_count_allocates_no_more_than_was_sent(void **state _unused_)
{
	struct wire_reader r = wire_read("\xff\xff\xff\xff\0\0\0\0", 8);

	assert_null(wire_get_strv(&r));
	assert_int_equal(wire_end(&r), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_back_in_order),
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(every_cut_is_noticed_and_yields_zeros),
		cmocka_unit_test(bytes_left_over_are_noticed),
		cmocka_unit_test(a_string_holds_no_nul),
		cmocka_unit_test(a_count_allocates_no_more_than_was_sent),
	};

	return cmocka_run_group_tests_name("proto/wire", tests, NULL, NULL);
}
