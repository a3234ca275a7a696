// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/subnet.h"
#include "base/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static struct subnet of(const char *text)
{
	struct subnet subnet;

	if (subnet_parse(text, &subnet) < 0)
		fail_msg("%s", text);
	return subnet;
}

static void a_subnet_is_an_address_and_a_length(void **state _unused_)
{
	static const char *const bad[] = {
		"",	      "10.0.0.1", "10.0.0.1/",	"10.0.0.1/33", "10.0.0.1/0", "10.0.0.256/8",
		"fd00::/129", "x/24",	  "10.0.0.1/2x"
	};
	struct subnet subnet = of("10.1.2.3/20"), subnet6 = of("FD00::1:3/64");
	char text[SUBNET_TEXT_MAX];

	assert_string_equal(subnet_format(&subnet, text), "10.1.2.3/20");
	assert_string_equal(subnet_format_network(&subnet, text), "10.1.0.0/20");
	assert_string_equal(subnet_format_address(&subnet6, text), "fd00::1:3");
	assert_string_equal(subnet_format_network(&subnet6, text), "fd00::/64");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(subnet_parse(bad[i], &subnet), -EINVAL);
}

static void what_overlaps_has_addresses_in_common(void **state _unused_)
{
	struct subnet a = of("10.1.2.1/24"), b = of("10.1.0.0/16"), c = of("10.1.3.0/24");
	struct subnet a6 = of("fd00:0:0:1::1/64"), b6 = of("fd00::/48"), c6 = of("fd00:0:0:2::/63");

	assert_true(subnet_overlaps(&a, &b) && subnet_overlaps(&b, &a));
	assert_false(subnet_overlaps(&a, &c));
	assert_true(subnet_overlaps(&a6, &b6));
	assert_false(subnet_overlaps(&a6, &c6));
	assert_false(subnet_overlaps(&a, &a6));
	assert_true(subnet_holds(&b, &c) && !subnet_holds(&c, &b));
}

static void addresses_are_numbers_in_their_subnet(void **state _unused_)
{
	struct subnet a = of("10.1.2.1/20"), a6 = of("fd00::7/64"), nth;
	struct subnet high = of("10.1.15.254/20");
	char text[SUBNET_TEXT_MAX];
	uint64_t first, end;

	assert_int_equal(subnet_size(&a), 4096);
	assert_int_equal(subnet_number(&a, &high), 4094);
	subnet_nth(&a, 257, &nth);
	assert_string_equal(subnet_format(&nth, text), "10.1.1.1/20");
	subnet_nth(&a6, 65535, &nth);
	assert_string_equal(subnet_format(&nth, text), "fd00::ffff/64");
	assert_true(subnet_size(&a6) == (uint64_t)1 << 32);
	subnet_range(&a, &first, &end);
	assert_true(first == 2 && end == 3072);
	a = of("10.0.0.1/30");
	subnet_range(&a, &first, &end);
	assert_true(first == 2 && end == 3);
	a = of("10.0.0.1/32");
	subnet_range(&a, &first, &end);
	assert_true(first >= end);
}

static void a_new_subnet_overlaps_none_that_is_taken(void **state _unused_)
{
	struct subnet taken[2] = { of("10.0.0.0/9"), of("10.128.0.0/10") }, all = of("10.0.0.0/8");
	struct subnet chosen, again;

	for (uint64_t random = 0; random < 70000; random += 997) {
		assert_int_equal(subnet_choose(AF_INET, taken, 2, random, &chosen), 0);
		assert_int_equal(chosen.prefix, 24);
		assert_false(subnet_overlaps(&chosen, &taken[0]) ||
			     subnet_overlaps(&chosen, &taken[1]));
		assert_true(subnet_overlaps(&chosen, &all));
	}
	assert_int_equal(subnet_choose(AF_INET, &all, 1, 5, &chosen), -EADDRNOTAVAIL);
	assert_int_equal(subnet_choose(AF_INET6, taken, 2, 12345, &chosen), 0);
	assert_true(chosen.address[0] == 0xfd && chosen.address[15] == 1 && chosen.prefix == 64);
	assert_int_equal(subnet_choose(AF_INET6, &chosen, 1, 12345, &again), 0);
	assert_false(subnet_overlaps(&chosen, &again));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_subnet_is_an_address_and_a_length),
		cmocka_unit_test(what_overlaps_has_addresses_in_common),
		cmocka_unit_test(addresses_are_numbers_in_their_subnet),
		cmocka_unit_test(a_new_subnet_overlaps_none_that_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
