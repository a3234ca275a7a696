// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/rate.h"
#include "sys/link.h"
#include "sys/netlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#define FRAME  1000
#define FRAMES 3000		     /* three megabytes, at once */
#define SLOW   (uint64_t)1000 * 1000 /* the bucket alone passes: the rest takes seconds */
#define OUT    100		     /* of 128 KiB, in frames */
#define IN     1000		     /* of 1 MiB: less, and a stream would not come to its rate */
#define FAST   (uint64_t)100 * 1000 * 1000 * 1000 /* more than 32 bits of bytes */

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

static struct link find(const char *name)
{
	struct link link = { 0 };

	check(link_find(sock, name, &link, &problem));
	return link;
}

static int setup(void **state)
{
	const struct link_new a = { .name = "near" }, b = { .name = "far" };
	struct err err = ERR_INIT;

	(void)state;
	if (geteuid() != 0)
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	sock = netlink_open(NETLINK_ROUTE, -EBADF, &err);
	check(link_make_veth(sock, &a, &b, &problem));
	near = find("near").index;
	far = find("far").index;
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

/* How many of FRAMES sent out by near at once arrive at its other end. */
static uint64_t send_frames(void)
{
	const struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = near };
	_cleanup_close_ int packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	uint8_t frame[FRAME] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0x62, 0, 0, 0, 1 };
	uint64_t before = find("far").stats.rx_packets;

	for (int i = 0; i < FRAMES; i++)
		(void)!sendto(packet, frame, sizeof(frame), MSG_DONTWAIT, (const void *)&to,
			      sizeof(to));
	return find("far").stats.rx_packets - before;
}

static void test_what_leaves_is_limited_until_it_is_not(void **state)
{
	uint64_t slow;

	(void)state;
	need_root();
	check(rate_limit_out(sock, near, SLOW, &problem));
	slow = send_frames();
	assert_true(slow >= OUT && slow < FRAMES / 2);
	check(rate_limit_out(sock, near, FAST, &problem));
	assert_true(send_frames() >= FRAMES);
	check(rate_limit_out(sock, near, SLOW, &problem));
	check(rate_limit_out(sock, near, 0, &problem));
	assert_true(send_frames() >= FRAMES);
	check(rate_limit_out(sock, near, 0, &problem));
}

static void test_what_is_not_there_has_no_limit(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	need_root();
	assert_int_equal(rate_limit_out(sock, 4711, SLOW, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "cannot limit the rate of a network interface: "));
	assert_int_equal(rate_limit_out(sock, 4711, 0, &err), -ENODEV);
	assert_int_equal(rate_limit_in(sock, 4711, SLOW, &err), -ENODEV);
}

/* Waits until so many have come up from a bridge's ports; a deadline's worth of looking if they have not. */
static uint64_t count_up(const char *bridge, uint64_t enough)
{
	uint64_t up = 0;

	for (int i = 0; i < 100000 && up < enough; i++) {
		up = find(bridge).stats.rx_packets;
		(void)sched_yield();
	}
	return up;
}

static void test_what_comes_in_is_limited_until_it_is_not(void **state)
{
	const struct link_new bridge = { .name = "brig0" };
	uint64_t slow, before;

	(void)state;
	need_root();
	check(link_make_bridge(sock, &bridge, &problem));
	check(link_set_master(sock, far, find("brig0").index, &problem));
	check(rate_limit_in(sock, far, SLOW, &problem));
	before = find("brig0").stats.rx_packets;
	assert_true(send_frames() >= FRAMES);
	slow = count_up("brig0", before + IN) - before;
	assert_true(slow >= IN && slow < FRAMES / 2);
	check(rate_limit_in(sock, far, FAST, &problem));
	before = find("brig0").stats.rx_packets;
	assert_true(send_frames() >= FRAMES);
	assert_true(count_up("brig0", before + FRAMES) >= before + FRAMES);
	check(rate_limit_in(sock, far, 0, &problem));
	check(rate_limit_in(sock, far, 0, &problem));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_leaves_is_limited_until_it_is_not, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_comes_in_is_limited_until_it_is_not,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_there_has_no_limit, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
