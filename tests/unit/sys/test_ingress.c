// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/ingress.h"
#include "base/file.h"
#include "sys/child.h"
#include "sys/link.h"
#include "sys/netlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#define FRAMES 20

/* A new namespace, with two pairs of links that are up: what comes by a[1] is to go to b[1]. */
static int sock = -EBADF;
static int a[2], b[2];

/* What is called gets the error's place as `problem`. */
#define check(call)                                  \
	do {                                         \
		struct err problem = ERR_INIT;       \
		if ((call) < 0)                      \
			fail_msg("%s", problem.msg); \
	} while (0)

static struct link find(int index)
{
	struct link link = { 0 };

	check(link_get(sock, index, &link, &problem));
	return link;
}

static void make_pair(const char *one, const char *other, int ret[2])
{
	const struct link_new first = { .name = one }, second = { .name = other };
	struct link link;

	check(link_make_veth(sock, &first, &second, &problem));
	check(link_find(sock, one, &link, &problem));
	ret[0] = link.index;
	check(link_find(sock, other, &link, &problem));
	ret[1] = link.index;
	check(link_set_up(sock, ret[1], 1, &problem));
}

static int setup(void **state _unused_)
{
	struct err err = ERR_INIT;

	if (geteuid() != 0)
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	sock = netlink_open(NETLINK_ROUTE, -EBADF, &err);
	make_pair("a0", "a1", a);
	make_pair("b0", "b1", b);
	return 0;
}

static int teardown(void **state _unused_)
{
	sock = fd_close(sock);
	return 0;
}

/* How many of FRAMES sent out by a[0] come out of b[0]. */
static uint64_t send_frames(void)
{
	const struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = a[0] };
	_cleanup_close_ int packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	const uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
				    0x62, 0,	0,    0,    1,	  0x88, 0xb5 };
	uint64_t before = find(b[0]).stats.rx_packets;

	for (int i = 0; i < FRAMES; i++)
		assert_int_equal(
			sendto(packet, frame, sizeof(frame), 0, (const void *)&to, sizeof(to)),
			sizeof(frame));
	return find(b[0]).stats.rx_packets - before;
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
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

static int has_clsact(int index)
{
	char command[64];
	struct link link = find(index);

	snprintf(command, sizeof(command), "tc qdisc show dev %s | grep -q clsact", link.name);
	return run(command) == 0;
}

static void frames_come_out_elsewhere_as_long_as_it_is_held(void **state _unused_)
{
	int hold = -EBADF;
	struct err err = ERR_INIT;

	need_root();
	if (ingress_redirect_held(a[1], b[1], &hold, &err) < 0)
		skip();
	assert_in_range(send_frames(), FRAMES,
			FRAMES + 5); /* the kernel's own words may come along */
	fd_close(hold);
	assert_in_range(send_frames(), 0, 5);
	assert_false(has_clsact(a[1]));
}

static void frames_come_out_elsewhere_until_it_is_cleared(void **state _unused_)
{
	need_root();
	check(ingress_redirect_left(sock, a[1], b[1], &problem));
	assert_in_range(send_frames(), FRAMES, FRAMES + 5);
	/* who comes after one that was killed */
	check(ingress_redirect_left(sock, a[1], b[1], &problem));
	assert_in_range(send_frames(), FRAMES, FRAMES + 5);
	assert_true(has_clsact(a[1]));
	check(ingress_clear(sock, a[1], &problem));
	assert_in_range(send_frames(), 0, 5);
	assert_false(has_clsact(a[1]));
	check(ingress_clear(sock, a[1], &problem));
	check(ingress_clear(sock, 4711, &problem));
}

static void what_others_have_there_stays(void **state _unused_)
{
	need_root();
	if (run("tc qdisc add dev a1 clsact && tc filter add dev a1 egress prio 7 protocol all "
		"u32 match u32 0 0") != 0)
		skip();
	check(ingress_redirect_left(sock, a[1], b[1], &problem));
	check(ingress_clear(sock, a[1], &problem));
	assert_true(has_clsact(a[1]));
	check(ingress_clear(sock, a[1], &problem));
	assert_true(has_clsact(a[1]));
}

static void what_cannot_be_is_said(void **state _unused_)
{
	struct err err = ERR_INIT;
	int hold;

	need_root();
	assert_true(ingress_redirect(sock, 4711, b[1], &hold, &err) < 0);
	assert_true(err_is_set(&err));
	assert_int_equal(hold, -EBADF);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(frames_come_out_elsewhere_as_long_as_it_is_held),
		TEST(frames_come_out_elsewhere_until_it_is_cleared),
		TEST(what_others_have_there_stays),
		TEST(what_cannot_be_is_said),
	};

	return cmocka_run_group_tests_name("sys/ingress", tests, NULL, NULL);
}
