// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/acl_talk.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/acl.h"
#include "net/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

struct place {
	char folder[32];
	struct network_home home;
};

static void make_acl(const struct place *place, const char *name, const char *const *rules)
{
	_cleanup_acl_ struct acl acl = { .name = mem_strdup(name) };
	struct err err = ERR_INIT;

	for (; *rules; rules++)
		strv_add(&acl.rules, *rules);
	assert_int_equal(acl_save(&place->home, &acl, &err), 0);
}

static void plug_in(const struct place *place, const char *device, const char *acl)
{
	_cleanup_port_ struct port port = { .device = mem_strdup(device),
					    .instance = mem_strdup("web"),
					    .network = mem_strdup("lan"),
					    .mac = mem_strdup("02:62:00:00:00:01"),
					    .ip = mem_strdup("10.1.2.3"),
					    .ip6 = mem_strdup("fd00::3") };
	struct err err = ERR_INIT;

	if (acl)
		strv_add(&port.acls, acl);
	assert_int_equal(port_save(&place->home, &port, &err), 0);
}

static int set_up(void **state)
{
	static const char *const in[] = { "ingress drop tcp port 80 from 10.9.0.0/16",
					  "ingress allow tcp port 80,8000-8010 from @lan", NULL };
	static const char *const both[] = { "ingress allow tcp port 22", "egress reject udp",
					    "egress allow to 192.0.2.0/24",
					    "egress allow to fd07::/16", NULL };
	struct place *place = mem_zalloc(sizeof(*place));
	_cleanup_network_ struct network network = { 0 };
	struct err err = ERR_INIT;

	strcpy(place->folder, "/tmp/brig-talks-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	place->home = (struct network_home){ .root = place->folder, .run = place->folder };
	fd_close(network_lock(&place->home, &err));
	network_init(&network);
	network.name = mem_strdup("lan");
	network.device = mem_strdup("br-lan");
	network.ipv4 = mem_strdup("10.1.2.1/24");
	network.ipv6 = mem_strdup("fd00::1/64");
	assert_int_equal(network_make(&place->home, &network, &err), 0);
	make_acl(place, "in", in);
	make_acl(place, "both", both);
	plug_in(place, "vb-free", NULL);
	plug_in(place, "vb-in", "in");
	plug_in(place, "vb-both", "both");
	plug_in(place, "vb-gone", "gone");
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	assert_int_equal(file_remove_tree(AT_FDCWD, place->folder), 0);
	free(place);
	return 0;
}

/* Whether `device` may have a conversation between its port `here` and the peer's. */
static int allows(const struct place *place, const char *device, int protocol, uint16_t here,
		  const char *peer, uint16_t there)
{
	_cleanup_acl_judge_ struct acl_judge *judge = acl_judge_new(&place->home);
	struct acl_talk talk = { .device = device,
				 .family = strchr(peer, ':') ? AF_INET6 : AF_INET,
				 .protocol = protocol,
				 .port_here = here,
				 .port_there = there };

	assert_int_equal(inet_pton(talk.family, peer, talk.there), 1);
	return acl_judge_allows(judge, &talk);
}

static void one_is_kept_that_either_side_may_begin(void **state)
{
	const struct place *place = *state;

	assert_true(allows(place, "vb-both", IPPROTO_TCP, 22, "10.9.9.9", 40000));
	assert_true(allows(place, "vb-both", IPPROTO_TCP, 40000, "192.0.2.7", 443));
	assert_true(allows(place, "vb-both", IPPROTO_TCP, 40000, "fd07::1", 443));
	assert_false(allows(place, "vb-both", IPPROTO_TCP, 40000, "192.0.3.7", 443));
	assert_false(allows(place, "vb-both", IPPROTO_UDP, 40000, "192.0.2.7", 443));
	assert_false(allows(place, "vb-both", IPPROTO_TCP, 23, "10.9.9.9", 22));
	/* its other direction is open */
	assert_true(allows(place, "vb-in", IPPROTO_TCP, 81, "10.9.9.9", 40000));
}

static void the_first_rule_that_fits_decides(void **state)
{
	static const char *const shut[] = { "ingress drop tcp port 80 from 10.1.2.9",
					    "ingress allow tcp port 80,8000-8010 from @lan",
					    "egress drop", NULL };
	const struct place *place = *state;

	make_acl(place, "in", shut);
	assert_true(allows(place, "vb-in", IPPROTO_TCP, 80, "10.1.2.8", 40000));
	assert_true(allows(place, "vb-in", IPPROTO_TCP, 8010, "fd00::8", 40000));
	assert_false(allows(place, "vb-in", IPPROTO_TCP, 80, "10.1.2.9", 40000));
	assert_false(allows(place, "vb-in", IPPROTO_TCP, 8011, "10.1.2.8", 40000));
	assert_false(allows(place, "vb-in", IPPROTO_TCP, 80, "10.1.3.8", 40000));
}

static void names_may_always_be_asked_for(void **state)
{
	const struct place *place = *state;

	assert_true(allows(place, "vb-both", IPPROTO_UDP, 40000, "10.1.2.1", 53));
	assert_true(allows(place, "vb-both", IPPROTO_UDP, 40000, "fd00::1", 53));
	assert_true(allows(place, "vb-both", IPPROTO_UDP, 40000, "fe80::1", 53));
	assert_false(allows(place, "vb-both", IPPROTO_UDP, 40000, "10.1.2.2", 53));
	assert_false(allows(place, "vb-both", IPPROTO_UDP, 40000, "10.1.2.1", 54));
}

static void what_nobody_can_read_or_has_allows_nothing(void **state)
{
	const struct place *place = *state;

	assert_false(allows(place, "vb-gone", IPPROTO_TCP, 22, "10.1.2.9", 40000));
	assert_false(allows(place, "vb-free", IPPROTO_TCP, 22, "10.1.2.9", 40000));
	assert_false(allows(place, "vb-none", IPPROTO_TCP, 22, "10.1.2.9", 40000));
}

static void an_element_is_read_as_the_rules_note_it(void **state)
{
	const uint8_t here[4] = { 10, 1, 2, 3 }, there[4] = { 192, 0, 2, 7 };
	const uint8_t protocol = IPPROTO_TCP;
	const uint16_t ports[2] = { htons(40000), htons(443) };
	struct nftset_element element = { .set = ACL_TALK_SET };
	char device[IFNAMSIZ] = "vb-both";
	struct acl_talk talk;

	(void)state;
	nftset_add_key(&element, device, sizeof(device));
	nftset_add_key(&element, here, sizeof(here));
	nftset_add_key(&element, there, sizeof(there));
	nftset_add_key(&element, &protocol, 1);
	nftset_add_key(&element, &ports[0], 2);
	assert_int_equal(acl_talk_parse(&element, &talk), -EINVAL);
	nftset_add_key(&element, &ports[1], 2);
	assert_int_equal(acl_talk_parse(&element, &talk), 0);
	assert_string_equal(talk.device, "vb-both");
	assert_memory_equal(talk.there, there, sizeof(there));
	assert_true(talk.family == AF_INET && talk.protocol == IPPROTO_TCP);
	assert_true(talk.port_here == 40000 && talk.port_there == 443);
	element.set = ACL_TALK_SET6;
	assert_int_equal(acl_talk_parse(&element, &talk), -EINVAL);
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(one_is_kept_that_either_side_may_begin),
		PLACE_TEST(the_first_rule_that_fits_decides),
		PLACE_TEST(names_may_always_be_asked_for),
		PLACE_TEST(what_nobody_can_read_or_has_allows_nothing),
		cmocka_unit_test(an_element_is_read_as_the_rules_note_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
