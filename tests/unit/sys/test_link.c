// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/link.h"
#include "sys/netlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t mac[6] = { 2, 0x62, 1, 2, 3, 4 }, other_mac[6] = { 2, 0x62, 1, 2, 3, 5 };

/* A namespace to work in and another, both of them new. */
struct place {
	int here, there; /* sockets */
	int netns;	 /* of there */
};

static struct place place = { -EBADF, -EBADF, -EBADF };

static int setup(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	if (geteuid() != 0)
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	place.netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	place.here = netlink_open(NETLINK_ROUTE, -EBADF, &err);
	place.there = netlink_open(NETLINK_ROUTE, place.netns, &err);
	return place.here < 0 || place.there < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	place.here = fd_close(place.here);
	place.there = fd_close(place.there);
	place.netns = fd_close(place.netns);
	return 0;
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

/* What is called gets the error's place as `problem`. */
#define check(call)                                  \
	do {                                         \
		struct err problem = ERR_INIT;       \
		if ((call) < 0)                      \
			fail_msg("%s", problem.msg); \
	} while (0)

static struct link find(int sock, const char *name)
{
	struct link link = { 0 };

	check(link_find(sock, name, &link, &problem));
	return link;
}

static struct link make_bridge(const char *name)
{
	const struct link_new bridge = { .name = name };

	check(link_make_bridge(place.here, &bridge, &problem));
	return find(place.here, name);
}

static void test_a_bridge_is_as_asked_and_goes(void **state)
{
	const struct link_new bridge = {
		.name = "brig0", .mac = mac, .mtu = 1400, .group = 0x62726967
	};
	struct err err = ERR_INIT;
	struct link link;

	(void)state;
	need_root();
	check(link_make_bridge(place.here, &bridge, &problem));
	link = find(place.here, "brig0");
	assert_string_equal(link.kind, "bridge");
	assert_memory_equal(link.mac, mac, sizeof(mac));
	assert_int_equal(link.mtu, 1400);
	assert_int_equal(link.group, 0x62726967);
	assert_true(link.is_up);
	assert_int_equal(link_make_bridge(place.here, &bridge, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "cannot make the bridge brig0: File exists"));
	check(link_delete(place.here, link.index, &problem));
	assert_int_equal(link_find(place.here, "brig0", &link, &err), -ENODEV);
	assert_string_equal(err.msg, "there is no interface 'brig0'");
	assert_int_equal(link_get(place.here, 4711, &link, &err), -ENODEV);
}

static void test_a_pair_is_born_across_namespaces(void **state)
{
	struct link bridge, host, peer;
	struct link_new new_host = { .name = "host0", .mtu = 1400 };
	struct link_new new_peer = { .name = "eth0", .mac = mac, .mtu = 1400 };

	(void)state;
	need_root();
	bridge = make_bridge("brig0");
	new_host.master = bridge.index;
	new_peer.netns = place.netns;
	check(link_make_veth(place.here, &new_host, &new_peer, &problem));
	host = find(place.here, "host0");
	peer = find(place.there, "eth0");
	assert_string_equal(host.kind, "veth");
	assert_int_equal(host.master, bridge.index);
	assert_int_equal(host.mtu, 1400);
	assert_int_equal(host.peer, peer.index);
	assert_true(host.peer_netns >= 0);
	assert_memory_equal(peer.mac, mac, sizeof(mac));
	assert_int_equal(peer.mtu, 1400);
	assert_true(host.is_up && !host.is_running && !peer.is_up);
	check(link_set_up(place.there, peer.index, 1, &problem));
	assert_true(find(place.here, "host0").is_running);
	assert_int_equal(peer.peer, host.index);
}

static void test_a_pair_of_one_namespace_says_so(void **state)
{
	const struct link_new a = { .name = "a" }, b = { .name = "b", .netns_of = getpid() };

	(void)state;
	need_root();
	check(link_make_veth(place.here, &a, &b, &problem));
	assert_int_equal(find(place.here, "a").peer, find(place.here, "b").index);
	assert_true(find(place.here, "a").peer_netns < 0);
}

static void test_a_link_changes(void **state)
{
	struct link bridge, link;

	(void)state;
	need_root();
	bridge = make_bridge("brig0");
	check(link_make_veth(place.here, &(struct link_new){ .name = "a", .is_down = 1 },
			     &(struct link_new){ .name = "b" }, &problem));
	link = find(place.here, "a");
	assert_false(link.is_up);
	check(link_set_up(place.here, link.index, 1, &problem));
	check(link_set_mtu(place.here, link.index, 1300, &problem));
	check(link_set_master(place.here, link.index, bridge.index, &problem));
	check(link_get(place.here, link.index, &link, &problem));
	assert_true(link.is_up);
	assert_int_equal(link.mtu, 1300);
	assert_int_equal(link.master, bridge.index);
	check(link_set_master(place.here, link.index, 0, &problem));
	check(link_set_up(place.here, link.index, 0, &problem));
	check(link_rename(place.here, link.index, "c", &problem));
	link = find(place.here, "c");
	assert_false(link.is_up);
	assert_int_equal(link.master, 0);
}

static int is_told(int watch)
{
	struct pollfd change = { .fd = watch, .events = POLLIN };

	return poll(&change, 1, 0);
}

static void test_changes_are_told_until_they_are_seen(void **state)
{
	_cleanup_close_ int watch = -EBADF;
	struct err err = ERR_INIT;
	struct link lo;

	(void)state;
	need_root();
	watch = link_watch_open(&err);
	assert_true(watch >= 0);
	lo = find(place.here, "lo");
	link_watch_drain(watch);
	assert_int_equal(is_told(watch), 0);
	check(link_set_mtu(place.here, lo.index, 1400, &problem));
	assert_int_equal(is_told(watch), 1);
	link_watch_drain(watch);
	assert_int_equal(is_told(watch), 0);
}

/* What the kernel says of a port: attributes are shown by their number. */
static void read_port(void *ctx, const struct nlmsghdr *message)
{
	struct netlink_view view = netlink_attributes(message, sizeof(struct ifinfomsg));
	uint8_t *values = ctx;
	struct netlink_attribute a, b, c;

	while (netlink_next(&view, &a)) {
		struct netlink_view info = netlink_nested(&a);

		while (a.type == IFLA_LINKINFO && netlink_next(&info, &b)) {
			struct netlink_view data = netlink_nested(&b);

			while (b.type == IFLA_INFO_SLAVE_DATA && netlink_next(&data, &c)) {
				if (c.type <= IFLA_BRPORT_MAX)
					netlink_get(&c, &values[c.type], 1);
			}
		}
	}
}

static void assert_port(int index, unsigned int port)
{
	static const uint16_t shown[][2] = {
		{ LINK_PORT_LEARNING, IFLA_BRPORT_LEARNING },
		{ LINK_PORT_ISOLATED, IFLA_BRPORT_ISOLATED },
		{ LINK_PORT_HAIRPIN, IFLA_BRPORT_MODE },
		{ LINK_PORT_NEIGH_SUPPRESS, IFLA_BRPORT_NEIGH_SUPPRESS },
		{ LINK_PORT_BPDU_GUARD, IFLA_BRPORT_GUARD },
		{ LINK_PORT_ROOT_BLOCK, IFLA_BRPORT_PROTECT },
	};
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	const struct ifinfomsg info = { .ifi_index = index };
	uint8_t values[IFLA_BRPORT_MAX + 1] = { 0 };

	netlink_begin(&request, RTM_GETLINK, NLM_F_ACK, &info, sizeof(info));
	check(netlink_ask(place.here, &request, read_port, values, &problem));
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		assert_int_equal(values[shown[i][1]], (port & shown[i][0]) != 0);
	assert_int_equal(values[IFLA_BRPORT_STATE], 3); /* BR_STATE_FORWARDING, at once */
}

static void test_a_port_is_treated_as_said(void **state)
{
	struct link_new host = { .name = "host0" };
	const struct link_new peer = { .name = "peer0" };
	int index;

	(void)state;
	need_root();
	host.master = make_bridge("brig0").index;
	check(link_make_veth(place.here, &host, &peer, &problem));
	check(link_set_up(place.here, find(place.here, "peer0").index, 1, &problem));
	index = find(place.here, "host0").index;
	assert_port(index, LINK_PORT_LEARNING);
	for (unsigned int port = 0; port < 2 * LINK_PORT_ROOT_BLOCK; port++) {
		check(link_set_port(place.here, index, port, &problem));
		assert_port(index, port);
	}
}

static void read_station(void *ctx, const struct nlmsghdr *message)
{
	struct netlink_view view = netlink_attributes(message, sizeof(struct ndmsg));
	struct netlink_attribute attribute;
	struct ndmsg info;

	if (!netlink_read(message, RTM_NEWNEIGH, &info, sizeof(info)))
		return;
	while (netlink_next(&view, &attribute)) {
		if (attribute.type == NDA_LLADDR && attribute.len == sizeof(mac) &&
		    !memcmp(attribute.data, mac, sizeof(mac)) && info.ndm_state == NUD_NOARP)
			*(int *)ctx = info.ndm_ifindex;
	}
}

static void test_a_station_is_behind_the_last_port_that_was_said(void **state)
{
	const struct ndmsg all = { .ndm_family = PF_BRIDGE };

	(void)state;
	need_root();
	for (int i = 0, found = 0, master = make_bridge("brig0").index; i < 2; i++) {
		const char *const names[] = { "host0", "host1" };
		const struct link_new host = { .name = names[i], .master = master };
		_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

		check(link_make_veth(place.here, &host,
				     &(struct link_new){ .name = i ? "peer1" : "peer0" },
				     &problem));
		check(link_add_station(place.here, find(place.here, names[i]).index, mac,
				       &problem));
		netlink_begin(&request, RTM_GETNEIGH, NLM_F_DUMP, &all, sizeof(all));
		check(netlink_ask(place.here, &request, read_station, &found, &problem));
		assert_int_equal(found, find(place.here, names[i]).index);
	}
}

static void test_what_is_not_a_port_has_no_port_settings(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	need_root();
	assert_true(link_set_port(place.here, make_bridge("brig0").index, 0, &err) < 0);
	assert_non_null(strstr(err.msg, "cannot set how a bridge treats its port: "));
}

static void send_frame(int index, size_t size)
{
	const struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = index };
	_cleanup_close_ int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	uint8_t frame[1500] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	assert_int_equal(sendto(sock, frame, size, 0, (const void *)&to, sizeof(to)),
			 (ssize_t)size);
}

static void test_a_link_counts_what_passes(void **state)
{
	const struct link_new a = { .name = "a" }, b = { .name = "b", .netns = place.netns };
	struct link before, after, peer;

	(void)state;
	need_root();
	check(link_make_veth(place.here, &a, &b, &problem));
	check(link_set_up(place.there, find(place.there, "b").index, 1, &problem));
	before = find(place.here, "a");
	send_frame(before.index, 1000);
	after = find(place.here, "a");
	peer = find(place.there, "b");
	assert_true(after.stats.tx_packets > before.stats.tx_packets);
	assert_true(after.stats.tx_bytes >= before.stats.tx_bytes + 1000);
	assert_true(peer.stats.rx_packets > 0 && peer.stats.rx_bytes >= 1000);
	assert_int_equal(peer.stats.rx_errors, 0);
}

static void test_the_list_has_all(void **state)
{
	_cleanup_free_ struct link *links = NULL;
	size_t count, bridges = 0, loopbacks = 0;

	(void)state;
	need_root();
	(void)make_bridge("brig0");
	(void)make_bridge("brig1");
	check(link_list(place.here, &links, &count, &problem));
	for (size_t i = 0; i < count; i++) {
		bridges += !strcmp(links[i].kind, "bridge");
		loopbacks += links[i].is_loopback;
	}
	assert_int_equal(bridges, 2);
	assert_int_equal(loopbacks, 1);
}

static void test_stations_share_a_parent_across_namespaces(void **state)
{
	struct link parent, link;
	struct link_new macvlan = { .name = "eth0", .mac = other_mac };

	(void)state;
	need_root();
	parent = make_bridge("parent");
	macvlan.netns = place.netns;
	check(link_make_macvlan(place.here, parent.index, &macvlan, &problem));
	link = find(place.there, "eth0");
	assert_string_equal(link.kind, "macvlan");
	assert_memory_equal(link.mac, other_mac, sizeof(other_mac));
	assert_int_equal(link.peer, parent.index);
	assert_true(link.is_up);
}

static void test_a_vlan_is_made_or_the_kernel_says_why_not(void **state)
{
	const struct link_new vlan = { .name = "parent.7" };
	struct err err = ERR_INIT;
	struct link parent;
	int r;

	(void)state;
	need_root();
	parent = make_bridge("parent");
	r = link_make_vlan(place.here, parent.index, 7, &vlan, &err);
	if (r == -EOPNOTSUPP)
		assert_non_null(strstr(err.msg, "cannot make the VLAN parent.7: "));
	else
		assert_string_equal(find(place.here, "parent.7").kind, "vlan");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_bridge_is_as_asked_and_goes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_changes_are_told_until_they_are_seen, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_pair_is_born_across_namespaces, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_pair_of_one_namespace_says_so, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_link_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_port_is_treated_as_said, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_station_is_behind_the_last_port_that_was_said, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_a_port_has_no_port_settings, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_link_counts_what_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_list_has_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stations_share_a_parent_across_namespaces,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_vlan_is_made_or_the_kernel_says_why_not,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
