// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/route.h"
#include "sys/child.h"
#include "sys/netlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <sched.h>
#include <string.h>

/* A new namespace, with a pair of links that are up. */
static int sock = -EBADF;
static int near, far;

/* What is called gets the error's place as `problem`. */
#define check(call)                                  \
	do {                                         \
		struct err problem = ERR_INIT;       \
		if ((call) < 0)                      \
			fail_msg("%s", problem.msg); \
	} while (0)

static int setup(void **state)
{
	const struct link_new a = { .name = "near", .mtu = 1400 }, b = { .name = "far" };
	struct err err = ERR_INIT;
	struct link link;

	(void)state;
	if (geteuid() != 0)
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	sock = netlink_open(NETLINK_ROUTE, -EBADF, &err);
	check(link_make_veth(sock, &a, &b, &problem));
	check(link_find(sock, "near", &link, &problem));
	near = link.index;
	check(link_find(sock, "far", &link, &problem));
	far = link.index;
	check(link_set_up(sock, far, 1, &problem));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sock = fd_close(sock);
	return 0;
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static struct route_prefix prefix(const char *text, unsigned int length)
{
	struct route_prefix prefix = { .family = strchr(text, ':') ? AF_INET6 : AF_INET,
				       .length = length };

	assert_int_equal(inet_pton(prefix.family, text, &prefix.ip), 1);
	return prefix;
}

static int is_prefix(const struct route_prefix *prefix, const char *text)
{
	char shown[INET6_ADDRSTRLEN], whole[INET6_ADDRSTRLEN + 8];

	if (!prefix->family)
		return !*text;
	assert_non_null(inet_ntop(prefix->family, &prefix->ip, shown, sizeof(shown)));
	snprintf(whole, sizeof(whole), "%s/%u", shown, prefix->length);
	return !strcmp(whole, text);
}

static int has_address(int link, const char *text)
{
	_cleanup_free_ struct route_address *rows = NULL;
	size_t count;
	int found = 0;

	check(route_list_addresses(sock, &rows, &count, &problem));
	for (size_t i = 0; i < count; i++)
		found += rows[i].link == link && is_prefix(&rows[i].prefix, text);
	return found;
}

static int has_route(int link, const char *to, const char *via)
{
	_cleanup_free_ struct route *rows = NULL;
	size_t count;
	int found = 0;

	check(route_list(sock, &rows, &count, &problem));
	for (size_t i = 0; i < count; i++)
		found += rows[i].link == link && is_prefix(&rows[i].to, to) &&
			 is_prefix(&rows[i].via, via);
	return found;
}

static void test_an_address_comes_and_goes(void **state)
{
	const struct route_prefix ip = prefix("10.9.8.1", 24);
	struct err err = ERR_INIT;

	(void)state;
	need_root();
	check(route_add_address(sock, near, &ip, 0, &problem));
	assert_int_equal(has_address(near, "10.9.8.1/24"), 1);
	assert_int_equal(has_route(near, "10.9.8.0/24", ""), 1);
	assert_int_equal(route_add_address(sock, near, &ip, 0, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "cannot add the address 10.9.8.1/24: File exists"));
	check(route_delete_address(sock, near, &ip, &problem));
	assert_int_equal(has_address(near, "10.9.8.1/24"), 0);
	assert_int_equal(route_delete_address(sock, near, &ip, &err), -EADDRNOTAVAIL);
}

/* Whoever asks whether another has it cannot be bound to until it is answered. */
static void test_an_address_is_usable_at_once_if_nobody_is_asked(void **state)
{
	const struct route_prefix ip = prefix("fd00:9::1", 64);
	struct sockaddr_in6 name = { .sin6_family = AF_INET6, .sin6_addr = ip.ip6 };
	_cleanup_close_ int bound = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	need_root();
	check(route_add_address(sock, near, &ip, ROUTE_NODAD, &problem));
	assert_int_equal(has_address(near, "fd00:9::1/64"), 1);
	assert_int_equal(has_route(near, "fd00:9::/64", ""), 1);
	assert_int_equal(bind(bound, (const void *)&name, sizeof(name)), 0);
	check(route_delete_address(sock, near, &ip, &problem));
	assert_int_equal(has_address(near, "fd00:9::1/64"), 0);
}

static void test_an_address_may_come_without_its_network(void **state)
{
	const struct route_prefix ip = prefix("10.9.8.1", 24);

	(void)state;
	need_root();
	check(route_add_address(sock, near, &ip, ROUTE_NO_PREFIX, &problem));
	assert_int_equal(has_address(near, "10.9.8.1/24"), 1);
	assert_int_equal(has_route(near, "10.9.8.0/24", ""), 0);
}

static void test_routes_lead_to_a_link_or_by_a_gateway(void **state)
{
	const struct route_prefix ip = prefix("10.9.8.1", 24), to = prefix("10.77.0.0", 16),
				  gateway = prefix("10.9.8.254", 32), all = prefix("0.0.0.0", 0),
				  to6 = prefix("fd00:77::", 48), gateway6 = prefix("fe80::1", 128),
				  all6 = prefix("::", 0);
	struct err err = ERR_INIT;

	(void)state;
	need_root();
	check(route_add_address(sock, near, &ip, 0, &problem));
	check(route_add(sock, far, &to, NULL, &problem));
	check(route_add(sock, near, &all, &gateway, &problem));
	check(route_add(sock, far, &to6, NULL, &problem));
	check(route_add(sock, near, &all6, &gateway6, &problem));
	assert_int_equal(has_route(far, "10.77.0.0/16", ""), 1);
	assert_int_equal(has_route(near, "0.0.0.0/0", "10.9.8.254/32"), 1);
	assert_int_equal(has_route(far, "fd00:77::/48", ""), 1);
	assert_int_equal(has_route(near, "::/0", "fe80::1/128"), 1);
	assert_int_equal(route_add(sock, far, &to, NULL, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "cannot add the route to 10.77.0.0/16: File exists"));
	check(route_delete(sock, far, &to, &problem));
	assert_int_equal(has_route(far, "10.77.0.0/16", ""), 0);
	assert_int_equal(route_delete(sock, far, &to, &err), -ESRCH);
}

static void test_a_gateway_that_cannot_be_reached_is_refused(void **state)
{
	const struct route_prefix gateway = prefix("10.1.1.1", 32), all = prefix("0.0.0.0", 0);
	struct err err = ERR_INIT;

	(void)state;
	need_root();
	assert_int_equal(route_add(sock, near, &all, &gateway, &err), -ENETUNREACH);
	assert_non_null(
		strstr(err.msg, "cannot add the route to 0.0.0.0/0: Network is unreachable"));
}

static void test_the_uplink_is_where_the_default_route_leads(void **state)
{
	const struct route_prefix ip = prefix("10.9.8.1", 24), gateway = prefix("10.9.8.254", 32),
				  all = prefix("0.0.0.0", 0), gateway6 = prefix("fe80::1", 128),
				  all6 = prefix("::", 0);
	struct err err = ERR_INIT;
	struct link uplink;

	(void)state;
	need_root();
	check(route_add_address(sock, near, &ip, 0, &problem));
	assert_int_equal(route_find_uplink(sock, &uplink, &err), -ENOENT);
	check(route_add(sock, far, &all6, &gateway6, &problem));
	check(route_find_uplink(sock, &uplink, &problem));
	assert_string_equal(uplink.name, "far");
	check(route_add(sock, near, &all, &gateway, &problem));
	check(route_find_uplink(sock, &uplink, &problem));
	assert_string_equal(uplink.name, "near");
	assert_int_equal(uplink.mtu, 1400);
}

/* 0 if the shell's words end well. */
static int run(const char *words)
{
	char *argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
			 (char *)(uintptr_t)words, NULL };
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err ignored = ERR_INIT;

	spec.argv = argv;
	return child_run(&spec, &ignored);
}

/* The first hop of a route with several, a gateway of the other family, and who is known by heart: as `ip` makes them. */
static void what_others_have_set_is_read(void **state _unused_)
{
	_cleanup_free_ struct route_neighbour *neighbours = NULL;
	_cleanup_free_ struct route *routes = NULL;
	size_t n = 0, n_neighbours = 0, found = 0;

	need_root();
	if (run("ip addr add 10.1.0.2/24 dev near && ip link set near up &&"
		"ip route add 10.7.0.0/16 proto 77 nexthop via 10.1.0.9 nexthop via 10.1.0.8 &&"
		"ip route add 10.8.0.0/16 proto 77 via inet6 fe80::9 dev near &&"
		"ip neigh add 10.1.0.9 lladdr 02:62:00:00:00:09 dev near nud permanent &&"
		"ip neigh add 10.1.0.8 lladdr 02:62:00:00:00:08 dev near nud reachable") != 0)
		skip();
	check(route_list(sock, &routes, &n, &problem));
	for (size_t i = 0; i < n; i++) {
		struct route_prefix to = routes[i].to, via = routes[i].via;

		if (routes[i].protocol != 77)
			continue;
		found++;
		assert_int_equal(routes[i].link, near);
		assert_int_equal(via.family,
				 to.ip.s_addr == inet_addr("10.8.0.0") ? AF_INET6 : AF_INET);
		if (via.family == AF_INET)
			assert_int_equal(via.ip.s_addr, inet_addr("10.1.0.9"));
		else
			assert_int_equal(via.ip6.s6_addr[15], 9);
	}
	assert_int_equal(found, 2);
	check(route_list_neighbours(sock, &neighbours, &n_neighbours, &problem));
	assert_int_equal(n_neighbours, 1);
	assert_int_equal(neighbours[0].link, near);
	assert_int_equal(neighbours[0].ip.ip.s_addr, inet_addr("10.1.0.9"));
	assert_int_equal(neighbours[0].mac[5], 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_address_comes_and_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_an_address_is_usable_at_once_if_nobody_is_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_address_may_come_without_its_network, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_routes_lead_to_a_link_or_by_a_gateway, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_gateway_that_cannot_be_reached_is_refused,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_uplink_is_where_the_default_route_leads,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_others_have_set_is_read, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
