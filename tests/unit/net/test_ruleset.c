// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/ruleset.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/acl.h"
#include "net/element.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

struct place {
	char folder[32];
	struct network_home home;
};

static void make_network(const struct place *place, const char *name, const char *ipv4,
			 const char *ipv6, int internal)
{
	_cleanup_network_ struct network network = { 0 };
	struct err err = ERR_INIT;

	network_init(&network);
	network.name = mem_strdup(name);
	network.device = mem_printf("br-%s", name);
	network.ipv4 = mem_strdup(ipv4);
	network.ipv6 = mem_strdup(ipv6);
	network.internal = internal;
	assert_int_equal(network_make(&place->home, &network, &err), 0);
}

static void make_acl(const struct place *place, const char *name, const char *const *rules)
{
	_cleanup_acl_ struct acl acl = { .name = mem_strdup(name) };
	struct err err = ERR_INIT;

	for (; *rules; rules++)
		strv_add(&acl.rules, *rules);
	assert_int_equal(acl_save(&place->home, &acl, &err), 0);
}

static const char *const web[] = { "ingress allow tcp port 80,443-444 from @lan log",
				   "ingress allow icmp", "ingress reject from 10.0.0.0/8", NULL };
static const char *const quiet[] = { "egress reject udp port 53", "egress reject log",
				     "egress allow to fd00::7", "egress drop to 0.0.0.0/0", NULL };

static struct port a_port(const char *device)
{
	struct port port = { .device = mem_strdup(device),
			     .instance = mem_strdup("web"),
			     .network = mem_strdup("lan"),
			     .mac = mem_strdup("02:62:00:00:00:01"),
			     .ip = mem_strdup("10.1.2.3"),
			     .bridge = mem_strdup("br-lan"),
			     .ip6 = mem_strdup("fd00::3") };

	strv_add(&port.publish, "8080-8081:80-81/tcp");
	strv_add(&port.publish, "127.0.0.1:53:5353/udp");
	strv_add(&port.publish, "[fd00:1::1]:53:5353/udp");
	return port;
}

static int set_up(void **state)
{
	struct place *place = mem_zalloc(sizeof(*place));
	_cleanup_port_ struct port port = a_port("vb0");
	struct err err = ERR_INIT;

	port.names_port = 40001;
	strv_add(&port.beside, "br-dmz");
	strcpy(place->folder, "/tmp/brig-rules-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	place->home = (struct network_home){ .root = place->folder, .run = place->folder };
	fd_close(network_lock(&place->home, &err));
	make_network(place, "lan", "10.1.2.1/24", "fd00::1/64", 0);
	make_network(place, "dmz", "10.1.3.1/24", NULL, 1);
	assert_int_equal(port_save(&place->home, &port, &err), 0);
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

static void has(const struct buf *text, const char *what)
{
	if (!strstr(text->data, what))
		fail_msg("'%s' is not in:\n%s", what, text->data);
}

static void the_rules_follow_from_networks_and_ports(void **state)
{
	const struct place *place = *state;
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(ruleset_text(&place->home, 1, &text, &err), 0);
	has(&text, "set bridges { type ifname; elements = { \"br-dmz\", \"br-lan\" }; }");
	has(&text, "set internal { type ifname; elements = { \"br-dmz\" }; }");
	has(&text, "elements = { 10.1.3.0/24, 10.1.2.0/24 }");
	has(&text, "\"vb0\" . 02:62:00:00:00:01");
	has(&text, "\"vb0\" . 10.1.2.3");
	has(&text, "set loops { typeof iifname . oifname; elements = { \"vb0\" . \"vb0\" }; }");
	has(&text, "\"vb0\" . 0xfd000000000000000000000000000003");
	has(&text, "set views { typeof iifname . th dport; elements = { \"br-lan\" . 40001 }; }");
	has(&text,
	    "set beside { typeof iifname . ip saddr; elements = { \"br-dmz\" . 10.1.2.3 }; }");
	has(&text,
	    "set beside6 { typeof iifname . ip6 saddr; elements = { \"br-dmz\" . fd00::3 }; }");
	has(&text, "map names { typeof ip saddr : th dport; elements = { 10.1.2.3 : 40001 }; }");
	has(&text, "map names6 { typeof ip6 saddr : th dport; elements = { fd00::3 : 40001 }; }");
	has(&text, "tcp . 8080 : 10.1.2.3 . 80, tcp . 8081 : 10.1.2.3 . 81");
	has(&text, "tcp . 8081 : fd00::3 . 81");
	has(&text, "127.0.0.1 . udp . 53 : 10.1.2.3 . 5353");
	has(&text, "fd00:1::1 . udp . 53 : fd00::3 . 5353");
}

static void a_trusted_port_is_not_looked_at_and_a_foreign_one_half(void **state)
{
	const struct place *place = *state;
	_cleanup_port_ struct port port = a_port("vb0");
	_cleanup_elements_ struct elements trusted = { 0 }, foreign = { 0 };
	int unbound = 0;

	strv_free(take_ptr(port.publish));
	port.trusted = 1;
	elements_of_port(&place->home, &port, &trusted);
	assert_true(trusted.n == 1 && trusted.items[0].set == ELEMENT_ENDS);
	port.trusted = 0;
	mem_replace(&port.ip, "");
	mem_replace(&port.ip6, NULL);
	elements_of_port(&place->home, &port, &foreign);
	for (size_t i = 0; i < foreign.n; i++)
		unbound |= foreign.items[i].set == ELEMENT_UNBOUND;
	assert_true(foreign.n == 4 && unbound);
}

static void an_acl_is_rules_and_a_ports_are_elements(void **state)
{
	const struct place *place = *state;
	_cleanup_port_ struct port port = a_port("vb1");
	_cleanup_buf_ struct buf text = BUF_INIT, silent = BUF_INIT;
	struct err err = ERR_INIT;

	make_acl(place, "web", web);
	make_acl(place, "quiet", quiet);
	strv_add(&port.acls, "quiet");
	assert_int_equal(port_save(&place->home, &port, &err), 0);
	assert_int_equal(ruleset_text(&place->home, 1, &text, &err), 0);
	has(&text,
	    "map acl_out { typeof iifname : verdict; elements = { \"vb1\" : jump acl_out }; }");
	has(&text, "\"vb1\" : jump acl_in_open");
	has(&text, "map acl_out1 { typeof iifname : verdict; elements = { \"vb1\" : jump "
		   "acl_quiet_out }; }");
	has(&text, "chain acl_web_in {\n"
		   "\t\tip saddr 10.1.2.0/24 tcp dport { 80, 443-444 } limit rate 5/second burst 5 "
		   "packets log prefix \"brig acl web: \" level info\n"
		   "\t\tip saddr 10.1.2.0/24 tcp dport { 80, 443-444 } jump acl_in_begin\n");
	has(&text, "\t\tip6 saddr fd00::/64 tcp dport { 80, 443-444 } jump acl_in_begin\n");
	has(&text, "\t\tip saddr 10.0.0.0/8 drop\n");
	has(&text, "\t\tudp dport { 53 } reject with icmpx type admin-prohibited\n");
	has(&text, "\t\tip6 daddr fd00::7/128 jump acl_out_begin\n");
	assert_null(strstr(text.data, "acl_web_out"));
	assert_int_equal(ruleset_text(&place->home, 0, &silent, &err), 0);
	assert_null(strstr(silent.data, "reject with"));
	has(&silent, "\t\tudp dport { 53 } drop\n");
}

static int count(const struct elements *elements, int set, const char *jump)
{
	int n = 0;

	for (size_t i = 0; i < elements->n; i++)
		n += (int)elements->items[i].set == set &&
		     !strcmp(elements->items[i].of.jump, jump);
	return n;
}

/* An interface's own come first. One that is gone lets nothing pass, instead of all. */
static void acls_have_their_order_and_fail_closed(void **state)
{
	const struct place *place = *state;
	_cleanup_network_ struct network network = { 0 };
	_cleanup_elements_ struct elements both = { 0 }, gone = { 0 };
	_cleanup_port_ struct port port = a_port("vb1");
	struct err err = ERR_INIT;

	make_acl(place, "web", web);
	make_acl(place, "base", web);
	assert_int_equal(network_load(&place->home, "lan", &network, &err), 0);
	strv_add(&network.acls, "base");
	strv_add(&network.acls, "web");
	assert_int_equal(network_save(&place->home, &network, &err), 0);
	strv_add(&port.acls, "web");
	elements_of_port(&place->home, &port, &both);
	assert_int_equal(count(&both, ELEMENT_ACL_IN, "acl_in"), 1);
	assert_int_equal(count(&both, ELEMENT_ACL_OUT, "acl_out_open"), 1);
	assert_int_equal(count(&both, ELEMENT_ACL_IN1, "acl_web_in"), 1);
	assert_int_equal(count(&both, ELEMENT_ACL_IN1 + 1, "acl_base_in"), 1);
	assert_int_equal(count(&both, ELEMENT_ACL_IN1 + 2, "acl_web_in"), 0);
	strv_free(take_ptr(port.acls));
	strv_add(&port.acls, "gone");
	elements_of_port(&place->home, &port, &gone);
	assert_int_equal(count(&gone, ELEMENT_ACL_OUT, "acl_out"), 1);
}

/* In a network namespace of its own, which the process stays in. */
static void the_kernel_takes_the_rules_again_and_again(void **state)
{
	const struct place *place = *state;
	struct err err = ERR_INIT;

	if (geteuid() || unshare(CLONE_NEWNET) < 0)
		skip();
	assert_false(ruleset_is_there(&place->home));
	for (int i = 0; i < 2; i++) {
		if (ruleset_apply(&place->home, &err) < 0)
			fail_msg("%s", err.msg);
		assert_true(ruleset_is_there(&place->home));
	}
	assert_int_equal(ruleset_remove(&place->home, &err), 0);
	assert_int_equal(ruleset_remove(&place->home, &err), 0);
	assert_false(ruleset_is_there(&place->home));
}

static void the_rules_stay_for_as_long_as_a_network_or_a_port_does(void **state)
{
	const struct place *place = *state;
	struct err err = ERR_INIT;

	if (geteuid() || unshare(CLONE_NEWNET) < 0)
		skip();
	assert_int_equal(ruleset_apply(&place->home, &err), 0);
	assert_int_equal(network_remove(&place->home, "lan", &err), 0);
	assert_int_equal(ruleset_trim(&place->home, &err), 0);
	assert_int_equal(network_remove(&place->home, "dmz", &err), 0);
	assert_int_equal(ruleset_trim(&place->home, &err), 0);
	assert_true(ruleset_is_there(&place->home));
	port_remove(&place->home, "vb0");
	assert_int_equal(ruleset_trim(&place->home, &err), 1);
	assert_false(ruleset_is_there(&place->home));
}

static void a_port_comes_and_goes_without_the_rest(void **state)
{
	const struct place *place = *state;
	_cleanup_port_ struct port port = a_port("vb1");
	struct err err = ERR_INIT;

	if (geteuid() || unshare(CLONE_NEWNET) < 0)
		skip();
	strv_free(take_ptr(port.publish));
	strv_add(&port.publish, "9000:90/tcp");
	make_acl(place, "web", web);
	make_acl(place, "a.b-c_d", quiet);
	strv_add(&port.acls, "web");
	strv_add(&port.acls, "a.b-c_d");
	if (ruleset_apply(&place->home, &err) < 0)
		fail_msg("%s", err.msg);
	for (int i = 0; i < 2; i++) {
		if (ruleset_add_port(&place->home, &port, &err) < 0)
			fail_msg("%s", err.msg);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(ruleset_remove_port(&place->home, &port, &err), 0);
	assert_int_equal(ruleset_add_port(&place->home, &port, &err), 0);
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(the_rules_follow_from_networks_and_ports),
		PLACE_TEST(a_trusted_port_is_not_looked_at_and_a_foreign_one_half),
		PLACE_TEST(an_acl_is_rules_and_a_ports_are_elements),
		PLACE_TEST(acls_have_their_order_and_fail_closed),
		PLACE_TEST(the_rules_stay_for_as_long_as_a_network_or_a_port_does),
		PLACE_TEST(the_kernel_takes_the_rules_again_and_again),
		PLACE_TEST(a_port_comes_and_goes_without_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
