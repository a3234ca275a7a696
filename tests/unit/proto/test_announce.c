// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/announce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <string.h>

static struct nic_setup a_setup(void)
{
	struct nic_setup setup = { .name = "eth0", .mac = { 2, 0x62, 0, 0, 0, 1 } };

	inet_pton(AF_INET, "10.1.2.3", &setup.ip);
	inet_pton(AF_INET6, "fd00::3", &setup.ip6);
	return setup;
}

static void an_address_is_asked_for_by_who_has_it(void **state)
{
	static const uint8_t expected[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,	0x62, 0, 0, 0, 1, 8, 6, /* to all: ARP */
		0,    1,    8,	  0,	6,    4,    0,	1,			/* a question */
		2,    0x62, 0,	  0,	0,    1,    10, 1,    2, 3,		/* of ours */
		0,    0,    0,	  0,	0,    0,    10, 1,    2, 3,		/* about ours */
	};
	const struct nic_setup setup = a_setup();
	uint8_t frame[ANNOUNCE_FRAME_MAX];

	(void)state;
	assert_int_equal(announce_ip(&setup, frame), sizeof(expected));
	assert_memory_equal(frame, expected, sizeof(expected));
}

static void a_neighbour_is_told_without_having_asked(void **state)
{
	static const uint8_t expected[] = {
		0x33, 0x33, 0,	 0, 0,	  1,	2,    0x62, 0, 0, 0, 1, 0x86, 0xdd, /* to all nodes: IPv6 */
		0x60, 0,    0,	 0, 0,	  32,	58,   255, /* ICMPv6, from the link */
		0xfd, 0,    0,	 0, 0,	  0,	0,    0,    0, 0, 0, 0, 0,    0,    0,
		3,    0xff, 2,	 0, 0,	  0,	0,    0,    0, 0, 0, 0, 0,    0,    0,
		0,    1,    136, 0, 0xa6, 0x61, 0x20, 0,    0, 0, /* advertisement, overrides */
		0xfd, 0,    0,	 0, 0,	  0,	0,    0,    0, 0, 0, 0, 0,    0,    0,
		3,    2,    1,	 2, 0x62, 0,	0,    0,    1, /* and where it is */
	};
	const struct nic_setup setup = a_setup();
	uint8_t frame[ANNOUNCE_FRAME_MAX];
	uint32_t sum = 32 + 58; /* of the pseudo-header; a right checksum makes it all ones */

	(void)state;
	assert_int_equal(announce_ip6(&setup, frame), sizeof(expected));
	for (size_t i = 22; i < sizeof(frame); i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	memcpy(frame + 56, expected + 56, 2);
	assert_memory_equal(frame, expected, sizeof(expected));
}

static void without_an_address_there_is_nothing_to_say(void **state)
{
	const struct nic_setup setup = { .name = "eth0" };
	uint8_t frame[ANNOUNCE_FRAME_MAX];

	(void)state;
	assert_int_equal(announce_ip(&setup, frame), 0);
	assert_int_equal(announce_ip6(&setup, frame), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_asked_for_by_who_has_it),
		cmocka_unit_test(a_neighbour_is_told_without_having_asked),
		cmocka_unit_test(without_an_address_there_is_nothing_to_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
