// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/tap.h"
#include "sys/link.h"
#include "sys/netlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#define QUEUES 4
#define FRAME  100
#define TYPE   0x88b5 /* for experiments: IEEE 802's local EtherType 1 */

/* In a new namespace. */
static int sock = -EBADF;

/* What is called gets the error's place as `problem`. */
#define check(call)                                  \
	do {                                         \
		struct err problem = ERR_INIT;       \
		if ((call) < 0)                      \
			fail_msg("%s", problem.msg); \
	} while (0)

static int setup(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	if (geteuid() != 0 || access("/dev/net/tun", W_OK) < 0)
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	sock = netlink_open(NETLINK_ROUTE, -EBADF, &err);
	return sock < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	sock = fd_close(sock);
	return 0;
}

static void need_taps(void)
{
	if (sock < 0)
		skip();
}

static struct link find(const char *name)
{
	struct link link = { 0 };

	check(link_find(sock, name, &link, &problem));
	return link;
}

static void close_all(int *queues, size_t count)
{
	for (size_t i = 0; i < count; i++)
		queues[i] = fd_close(queues[i]);
}

static void test_a_tap_has_its_queues_and_goes_with_the_last(void **state)
{
	char name[IFNAMSIZ];
	struct err err = ERR_INIT;
	int queues[QUEUES];
	struct link link;

	(void)state;
	need_taps();
	check(tap_make("", queues, QUEUES, name, &problem));
	for (int i = 0; i < QUEUES; i++)
		assert_int_equal(tap_check(queues[i]), 0);
	assert_string_equal(find(name).kind, "tun");
	assert_false(find(name).is_up);
	close_all(queues, QUEUES - 1);
	(void)find(name);
	close_all(queues, QUEUES);
	assert_int_equal(link_find(sock, name, &link, &err), -ENODEV);
}

static void test_a_tap_that_is_there_is_not_made_again(void **state)
{
	char name[IFNAMSIZ];
	struct err err = ERR_INIT;
	int first[2], second[2];

	(void)state;
	need_taps();
	check(tap_make("mine", first, 2, name, &problem));
	assert_string_equal(name, "mine");
	assert_int_equal(tap_make("mine", second, 2, name, &err), -EBUSY);
	assert_int_equal(tap_make("a-name-too-long-for-one", second, 1, name, &err), -EINVAL);
	close_all(first, 2);
	check(tap_make("mine", second, 1, name, &problem));
	close_all(second, 1);
}

/* Of the frames that the host itself sends there may be some before. */
static int has_type(const uint8_t *frame, ssize_t n)
{
	return n >= ETH_HLEN && frame[12] == TYPE >> 8 && frame[13] == (TYPE & 0xff);
}

static void wait_for_frame(int fd, size_t header)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	uint8_t bytes[2048];
	ssize_t n;

	do {
		assert_int_equal(poll(&poll_fd, 1, 5000), 1);
		n = read(fd, bytes, sizeof(bytes));
		assert_true(n > 0);
	} while (!has_type(bytes + header, n - (ssize_t)header));
	assert_int_equal(n, header + FRAME);
}

static int open_packets(int index)
{
	const struct sockaddr_ll name = { .sll_family = AF_PACKET,
					  .sll_protocol = htons(ETH_P_ALL),
					  .sll_ifindex = index };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (const void *)&name, sizeof(name)), 0);
	return fd;
}

static void test_frames_pass_between_a_tap_and_a_pair_on_a_bridge(void **state)
{
	uint8_t frame[sizeof(struct virtio_net_hdr) + FRAME] = { 0 };
	uint8_t *ethernet = frame + sizeof(struct virtio_net_hdr);
	struct link_new host = { .name = "host0" };
	const struct link_new bridge = { .name = "brig0" }, peer = { .name = "eth0" };
	_cleanup_close_ int packets = -EBADF, tap = -EBADF;
	char name[IFNAMSIZ];

	(void)state;
	need_taps();
	check(link_make_bridge(sock, &bridge, &problem));
	host.master = find("brig0").index;
	check(link_make_veth(sock, &host, &peer, &problem));
	check(link_set_up(sock, find("eth0").index, 1, &problem));
	check(tap_make("tap0", &tap, 1, name, &problem));
	check(link_set_master(sock, find("tap0").index, host.master, &problem));
	check(link_set_up(sock, find("tap0").index, 1, &problem));
	check(link_set_port(sock, find("tap0").index, LINK_PORT_LEARNING, &problem));
	check(link_settle("host0", &problem));
	check(link_settle("tap0", &problem));
	packets = open_packets(find("eth0").index);
	memset(ethernet, 0xff, ETH_ALEN);
	memcpy(ethernet + ETH_ALEN,
	       (const uint8_t[]){ 2, 0x62, 0, 0, 0, 1, TYPE >> 8, TYPE & 0xff }, ETH_ALEN + 2);
	assert_int_equal(write(tap, frame, sizeof(frame)), sizeof(frame));
	wait_for_frame(packets, 0);
	assert_int_equal(write(packets, ethernet, FRAME), FRAME);
	wait_for_frame(tap, sizeof(struct virtio_net_hdr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_tap_has_its_queues_and_goes_with_the_last,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_tap_that_is_there_is_not_made_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_frames_pass_between_a_tap_and_a_pair_on_a_bridge, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
