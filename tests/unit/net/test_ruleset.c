// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/ruleset.h"
#include "base/file.h"
#include "base/mem.h"
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

static struct port a_port(const char *device)
{
	struct port port = { .device = mem_strdup(device),
			     .instance = mem_strdup("web"),
			     .network = mem_strdup("lan"),
			     .mac = mem_strdup("02:62:00:00:00:01"),
			     .ip = mem_strdup("10.1.2.3"),
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

	assert_int_equal(ruleset_text(&place->home, &text, &err), 0);
	has(&text, "set bridges { type ifname; elements = { \"br-dmz\", \"br-lan\" }; }");
	has(&text, "set internal { type ifname; elements = { \"br-dmz\" }; }");
	has(&text, "elements = { 10.1.3.0/24, 10.1.2.0/24 }");
	has(&text, "\"vb0\" . 02:62:00:00:00:01");
	has(&text, "\"vb0\" . 10.1.2.3");
	has(&text, "\"vb0\" . 0xfd000000000000000000000000000003");
	has(&text, "tcp . 8080 : 10.1.2.3 . 80, tcp . 8081 : 10.1.2.3 . 81");
	has(&text, "tcp . 8081 : fd00::3 . 81");
	has(&text, "127.0.0.1 . udp . 53 : 10.1.2.3 . 5353");
	has(&text, "fd00:1::1 . udp . 53 : fd00::3 . 5353");
}

static void a_trusted_port_is_not_looked_at_and_a_foreign_one_half(void **state _unused_)
{
	_cleanup_port_ struct port port = a_port("vb0");
	_cleanup_elements_ struct elements trusted = { 0 }, foreign = { 0 };
	int unbound = 0;

	strv_free(take_ptr(port.publish));
	port.trusted = 1;
	elements_of_port(&port, &trusted);
	assert_int_equal(trusted.n, 0);
	port.trusted = 0;
	mem_replace(&port.ip, "");
	mem_replace(&port.ip6, NULL);
	elements_of_port(&port, &foreign);
	for (size_t i = 0; i < foreign.n; i++)
		unbound |= foreign.items[i].set == ELEMENT_UNBOUND;
	assert_true(foreign.n == 3 && unbound);
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

static void a_port_comes_and_goes_without_the_rest(void **state)
{
	const struct place *place = *state;
	_cleanup_port_ struct port port = a_port("vb1");
	struct err err = ERR_INIT;

	if (geteuid() || unshare(CLONE_NEWNET) < 0)
		skip();
	strv_free(take_ptr(port.publish));
	strv_add(&port.publish, "9000:90/tcp");
	assert_int_equal(ruleset_apply(&place->home, &err), 0);
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
		cmocka_unit_test(a_trusted_port_is_not_looked_at_and_a_foreign_one_half),
		PLACE_TEST(the_kernel_takes_the_rules_again_and_again),
		PLACE_TEST(a_port_comes_and_goes_without_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
