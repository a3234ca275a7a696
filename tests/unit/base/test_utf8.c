// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/utf8.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void every_plane_is_valid(void **state _unused_)
{
	assert_true(utf8_valid(""));
	assert_true(utf8_valid("plain\t\n"));
	assert_true(utf8_valid(
		"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf"));
	assert_true(utf8_valid("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"));
	assert_int_equal(utf8_sequence("\xf0\x9f\x9a\xa2z"), 4);
	assert_int_equal(utf8_sequence("z"), 1);
}

static void what_no_encoder_writes_is_not(void **state _unused_)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2z",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xe2\x82",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf0\x9f\x9a",
		"\xfe",
		"\xff",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (utf8_valid(bad[i]) || utf8_sequence(bad[i]))
			fail_msg("accepted: case %zu", i);
	}
	assert_false(utf8_valid("fine\xff"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_plane_is_valid),
		cmocka_unit_test(what_no_encoder_writes_is_not),
	};

	return cmocka_run_group_tests_name("base/utf8", tests, NULL, NULL);
}
