// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/net.h"
#include "driver.h"
#include "sys/tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <cmocka.h>

#define BIT(bit)  (1ULL << (bit))
#define MERGEABLE BIT(VIRTIO_NET_F_MRG_RXBUF)
#define CONTROL	  BIT(VIRTIO_NET_F_CTRL_VQ)
#define MQ	  BIT(VIRTIO_NET_F_MQ)
#define EVENT_IDX BIT(VIRTIO_F_EVENT_IDX)
#define HEADER	  12
#define RX	  0
#define TX	  1
#define LARGEST	  (HEADER + 65535 + 14)

/* Where received packets and those to send are. */
#define IN  (DRIVER_DATA)
#define OUT (DRIVER_DATA + 0x800000)

static const uint8_t MAC[6] = { 0x52, 0x54, 0, 1, 2, 3 };
static struct driver driver;
static struct net *net;
static int wires[2]; /* the other ends of what stands for the taps */

static void make(const int *taps, unsigned int pairs, const int *vhosts)
{
	struct net_options options = {
		.mtu = 1400, .pairs = pairs, .taps = taps, .vhosts = vhosts
	};
	struct err err = ERR_INIT;

	memcpy(options.mac, MAC, sizeof(MAC));
	driver_init(&driver);
	assert_int_equal(net_new(&driver.host, &options, &driver.virtio, &net, &err), 0);
}

static int setup(void **state _unused_)
{
	int taps[2], room = 1 << 20;

	for (int i = 0; i < 2; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		(void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		taps[i] = pair[0];
		wires[i] = pair[1];
	}
	make(taps, 2, NULL);
	return 0;
}

static int teardown(void **state _unused_)
{
	driver_release(&driver);
	for (int i = 0; i < 2; i++)
		wires[i] = fd_close(wires[i]);
	return 0;
}

static uint8_t *packet_of(size_t len, unsigned int seed)
{
	static uint8_t packet[LARGEST];

	for (size_t i = 0; i < len; i++)
		packet[i] = i < HEADER ? 0 : (uint8_t)(i * 31 + seed);
	return packet;
}

static void arrive(int wire, size_t len, unsigned int seed)
{
	assert_int_equal(send(wire, packet_of(len, seed), len, MSG_DONTWAIT), len);
}

/* Takes one packet of the guest's from its buffers, of size each. */
static size_t received(unsigned int seed)
{
	const uint8_t *want = packet_of(LARGEST, seed);
	uint16_t parts = 1;
	size_t len = 0;

	for (uint16_t i = 0; i < parts; i++) {
		uint32_t n = 0;
		int head = driver_used(&driver, RX, &n);
		const uint8_t *data;

		if (head < 0 && i == 0)
			return 0;
		assert_true(head >= 0);
		data = driver_at(&driver, driver.queues[RX].desc[head].gpa, n);
		if (i == 0) {
			memcpy(&parts, data + 10, sizeof(parts));
			assert_memory_equal(data + HEADER, want + HEADER, n - HEADER);
		} else {
			assert_memory_equal(data, want + len, n);
		}
		len += n;
	}
	return len;
}

static void give_buffers(unsigned int n, uint32_t size)
{
	for (unsigned int i = 0; i < n; i++)
		driver_give(&driver, RX, IN + (uint64_t)i * size, size, 1);
}

static void packets_come_in_the_order_they_were_sent(void **state _unused_)
{
	driver_start(&driver, MERGEABLE | EVENT_IDX);
	give_buffers(64, 1526);
	for (unsigned int i = 0; i < 50; i++)
		arrive(wires[0], 100 + i, i);
	driver_turn(&driver);
	for (unsigned int i = 0; i < 50; i++)
		assert_int_equal(received(i), 100 + i);
	assert_int_equal(received(0), 0);
	assert_in_range(driver.queues[RX].raised, 1, 8);
}

static void a_large_packet_spreads_over_buffers(void **state _unused_)
{
	driver_start(&driver, MERGEABLE);
	give_buffers(100, 1526);
	arrive(wires[0], LARGEST, 3);
	arrive(wires[0], 60, 4);
	driver_turn(&driver);
	assert_int_equal(received(3), LARGEST);
	assert_int_equal(received(4), 60);
}

static void a_packet_waits_for_the_buffers_that_it_lacks(void **state _unused_)
{
	driver_start(&driver, MERGEABLE);
	give_buffers(2, 1000);
	arrive(wires[0], 4500, 5);
	arrive(wires[0], 60, 6);
	driver_turn(&driver);
	assert_int_equal(received(5), 0);
	driver_give(&driver, RX, IN + 0x100000, 1000, 1);
	driver_turn(&driver);
	assert_int_equal(received(5), 0);
	driver_give(&driver, RX, IN + 0x200000, 2000, 1);
	assert_int_equal(received(5), 4500);
	driver_give(&driver, RX, IN + 0x200000, 2000, 1);
	driver_turn(&driver);
	assert_int_equal(received(6), 60);
}

static void a_packet_that_never_fits_does_not_block_the_others(void **state _unused_)
{
	driver_start(&driver, MERGEABLE);
	give_buffers(256, 16);
	arrive(wires[0], 256 * 16 + 1, 7);
	arrive(wires[0], 64, 8);
	driver_turn(&driver);
	assert_int_equal(received(8), 64);
}

static void buffers_that_are_not_merged_hold_a_packet_each(void **state _unused_)
{
	driver_start(&driver, 0);
	give_buffers(4, 1526);
	arrive(wires[0], 2000, 1); /* lost */
	arrive(wires[0], 1526, 2);
	arrive(wires[0], 60, 3);
	driver_turn(&driver);
	assert_int_equal(received(2), 1526);
	assert_int_equal(received(3), 60);
	assert_int_equal(received(0), 0);
}

static int transmit(const uint8_t *packet, uint32_t len)
{
	struct driver_part parts[2] = { { OUT, HEADER, 0 }, { OUT + 4096, len - HEADER, 0 } };

	assert_int_equal(ram_write(driver.ram, OUT, packet, HEADER), 0);
	assert_int_equal(ram_write(driver.ram, OUT + 4096, packet + HEADER, len - HEADER), 0);
	driver_add(&driver, TX, parts, 2);
	driver_kick(&driver, TX);
	return driver_used(&driver, TX, NULL);
}

static void what_the_guest_sends_goes_out_whole(void **state _unused_)
{
	static uint8_t data[LARGEST];

	driver_start(&driver, 0);
	for (uint32_t len = 60; len <= LARGEST; len = len < 40000 ? len * 3 : len + 5000) {
		assert_true(transmit(packet_of(len, len), len) >= 0);
		assert_int_equal(recv(wires[0], data, sizeof(data), MSG_DONTWAIT), len);
		assert_memory_equal(data, packet_of(len, len), len);
	}
}

static void a_full_wire_holds_packets_back(void **state _unused_)
{
	static uint8_t data[LARGEST];
	int sent = 0, got = 0, done = 0;

	driver_start(&driver, EVENT_IDX);
	while (sent < 120 &&
	       driver_add(&driver, TX, &(struct driver_part){ OUT, 60000, 0 }, 1) >= 0)
		sent++;
	driver_kick(&driver, TX);
	driver_turn(&driver);
	while (driver_used(&driver, TX, NULL) >= 0)
		done++;
	assert_in_range(done, 1, sent - 1);
	while (got < sent) {
		assert_int_equal(recv(wires[0], data, sizeof(data), MSG_DONTWAIT), 60000);
		got++;
		driver_turn(&driver);
	}
	while (driver_used(&driver, TX, NULL) >= 0)
		done++;
	assert_int_equal(done, sent);
}

static void runts_and_giants_are_dropped(void **state _unused_)
{
	uint8_t data[64];

	driver_start(&driver, 0);
	driver_give(&driver, TX, OUT, HEADER - 1, 0);
	driver_give(&driver, TX, OUT, 1U << 20, 0);
	driver_give(&driver, TX, OUT, 60, 1);
	for (int i = 0; i < 3; i++)
		assert_true(driver_used(&driver, TX, NULL) >= 0);
	assert_int_equal(recv(wires[0], data, sizeof(data), MSG_DONTWAIT), -1);
	assert_true(virtio_active(driver.virtio));
	driver_give(&driver, RX, IN, 60, 0);
	assert_false(virtio_active(driver.virtio));
}

static int command(unsigned int queue, const void *data, uint32_t len)
{
	struct driver_part parts[2] = { { OUT, len, 0 }, { IN, 1, 1 } };
	uint32_t written = 0;

	assert_int_equal(ram_write(driver.ram, OUT, data, len), 0);
	*(uint8_t *)driver_at(&driver, IN, 1) = 99;
	driver_add(&driver, queue, parts, 2);
	driver_kick(&driver, queue);
	assert_true(driver_used(&driver, queue, &written) >= 0);
	assert_int_equal(written, 1);
	return *(uint8_t *)driver_at(&driver, IN, 1);
}

static void commands_get_an_answer(void **state _unused_)
{
	const uint8_t promiscuous[] = { 0, 0, 1 }, none[] = { 9, 0, 1 },
		      mac[] = { 1, 1, 2, 0, 0, 0, 0, 9 };
	const uint8_t table[] = { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	uint8_t back[6];

	driver_start(&driver, CONTROL);
	assert_int_equal(command(2, promiscuous, 3), VIRTIO_NET_OK);
	assert_int_equal(command(2, none, 3), VIRTIO_NET_ERR);
	assert_int_equal(command(2, mac, 1), VIRTIO_NET_ERR);
	assert_int_equal(command(2, mac, 7), VIRTIO_NET_ERR);
	assert_int_equal(command(2, mac, 8), VIRTIO_NET_OK);
	assert_int_equal(command(2, table, sizeof(table)), VIRTIO_NET_OK);
	virtio_config_read(driver.virtio, 0, back, 6);
	assert_memory_equal(back, mac + 2, 6);
	driver_start(&driver, CONTROL);
	virtio_config_read(driver.virtio, 0, back, 6);
	assert_memory_equal(back, MAC, 6);
}

static void pairs_are_used_as_the_driver_says(void **state _unused_)
{
	const uint8_t pairs[5][4] = {
		{ 4, 0, 2, 0 }, { 4, 0, 3, 0 }, { 4, 0, 0, 0 }, { 4, 1, 1, 0 }, { 4, 0, 1 }
	};
	uint32_t len;

	driver_start(&driver, MERGEABLE | CONTROL | MQ);
	assert_int_equal(command(4, pairs[0], 4), VIRTIO_NET_OK);
	for (int i = 1; i < 4; i++)
		assert_int_equal(command(4, pairs[i], 4), VIRTIO_NET_ERR);
	assert_int_equal(command(4, pairs[4], 3), VIRTIO_NET_ERR);
	driver_give(&driver, 2, IN + 0x1000, 2048, 1);
	arrive(wires[1], 100, 0);
	driver_turn(&driver);
	assert_true(driver_used(&driver, 2, &len) >= 0);
	assert_int_equal(len, 100);
}

static void an_unplugged_cable_carries_nothing(void **state _unused_)
{
	uint16_t status = 1;
	uint8_t data[64];

	driver_start(&driver, MERGEABLE);
	give_buffers(8, 1526);
	net_set_link(net, 0);
	assert_int_equal(driver.config_raised, 1);
	virtio_config_read(driver.virtio, 6, &status, sizeof(status));
	assert_int_equal(status, 0);
	assert_true(transmit(packet_of(60, 0), 60) >= 0);
	assert_int_equal(recv(wires[0], data, sizeof(data), MSG_DONTWAIT), -1);
	arrive(wires[0], 60, 1);
	driver_turn(&driver);
	assert_int_equal(received(1), 0);
	net_set_link(net, 1);
	driver_turn(&driver);
	assert_int_equal(received(1), 60);
}

static void a_reset_forgets_buffers(void **state _unused_)
{
	driver_start(&driver, MERGEABLE);
	give_buffers(2, 1000);
	arrive(wires[0], 4500, 5);
	driver_turn(&driver);
	driver_start(&driver, MERGEABLE);
	arrive(wires[0], 60, 6);
	driver_turn(&driver);
	give_buffers(2, 1000);
	assert_int_equal(received(6), 60);
}

static void a_wire_whose_end_is_gone_is_quiet(void **state _unused_)
{
	driver_start(&driver, MERGEABLE);
	give_buffers(8, 1526);
	wires[0] = fd_close(wires[0]);
	driver_turn(&driver);
	assert_true(transmit(packet_of(60, 0), 60) >= 0);
	assert_true(virtio_active(driver.virtio));
}

/* A card on a stream of packets; its other end is wires[0]. */
static int setup_stream(void **state _unused_)
{
	struct net_options options = { .pairs = 1, .is_stream = 1 };
	struct err err = ERR_INIT;
	int pair[2], room = 1 << 20;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	(void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	options.taps = pair;
	wires[0] = pair[1];
	wires[1] = -EBADF;
	driver_init(&driver);
	assert_int_equal(net_new(&driver.host, &options, &driver.virtio, &net, &err), 0);
	return 0;
}

static void arrive_framed(size_t len, unsigned int seed)
{
	uint32_t length = htonl((uint32_t)(len - HEADER));

	assert_int_equal(send(wires[0], &length, sizeof(length), MSG_DONTWAIT), sizeof(length));
	assert_int_equal(send(wires[0], packet_of(len, seed) + HEADER, len - HEADER, MSG_DONTWAIT),
			 len - HEADER);
}

static void a_stream_has_no_work_on_packets_to_leave_to_others(void **state _unused_)
{
	uint64_t offered = virtio_offered(driver.virtio);

	assert_true(offered & MERGEABLE);
	assert_false(offered & (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
				BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | MQ));
}

static void packets_come_over_a_stream(void **state _unused_)
{
	driver_start(&driver, MERGEABLE | EVENT_IDX);
	for (unsigned int i = 0; i < 10; i++)
		arrive_framed(100 + i, i);
	arrive_framed(6000, 10);
	driver_turn(&driver); /* no buffers yet: they wait on this side of the socket */
	give_buffers(64, 1526);
	driver_turn(&driver);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(received(i), 100 + i);
	assert_int_equal(received(10), 6000);
	assert_int_equal(received(0), 0);
}

static void packets_wait_in_a_stream_for_buffers(void **state _unused_)
{
	driver_start(&driver, MERGEABLE);
	for (unsigned int i = 0; i < 300; i++)
		arrive_framed(60, i);
	for (unsigned int i = 0; i < 300;) {
		give_buffers(128, 1526);
		driver_turn(&driver);
		for (unsigned int end = i + 128; i < end && i < 300; i++)
			assert_int_equal(received(i), 60);
	}
}

static void packets_go_over_a_stream(void **state _unused_)
{
	uint8_t data[4 + 88];

	driver_start(&driver, MERGEABLE);
	assert_true(transmit(packet_of(100, 5), 100) >= 0);
	assert_int_equal(recv(wires[0], data, sizeof(data), MSG_DONTWAIT), sizeof(data));
	assert_memory_equal(data, "\0\0\0\x58", 4);
	assert_memory_equal(data + 4, packet_of(100, 5) + HEADER, 88);
}

static void a_stream_that_is_full_is_whole_when_it_has_room_again_even_after_a_reset(
	void **state _unused_)
{
	static uint8_t data[4 + 40000];
	unsigned int sent = 0, whole = 0;
	size_t at = 0;
	ssize_t n;

	driver_start(&driver, MERGEABLE);
	while (transmit(packet_of(HEADER + 40000, 7), HEADER + 40000) >= 0)
		sent++;
	assert_true(sent > 0);
	driver_start(&driver, MERGEABLE); /* the one that was held is gone, not what went half */
	for (int i = 0; i < 1000; i++) {
		n = recv(wires[0], data + at, sizeof(data) - at, MSG_DONTWAIT);
		at += n > 0 ? (size_t)n : 0;
		driver_turn(&driver);
		if (at < sizeof(data))
			continue;
		assert_memory_equal(data, "\0\0\x9c\x40", 4);
		assert_memory_equal(data + 4, packet_of(HEADER + 40000, 7) + HEADER, 40000);
		whole++;
		at = 0;
	}
	assert_int_equal(at, 0);
	assert_int_equal(whole, sent);
}

static void a_stream_whose_end_is_gone_takes_the_link_down_and_nothing_else(void **state _unused_)
{
	uint16_t status = 1;

	driver_start(&driver, MERGEABLE);
	give_buffers(8, 1526);
	arrive_framed(60, 1);
	wires[0] = fd_close(wires[0]);
	driver_turn(&driver);
	assert_int_equal(received(1), 60);
	virtio_config_read(driver.virtio, 6, &status, sizeof(status));
	assert_int_equal(status, 0);
	assert_int_equal(driver.config_raised, 1);
	assert_true(transmit(packet_of(60, 0), 60) >= 0);
	net_set_link(net, 1);
	virtio_config_read(driver.virtio, 6, &status, sizeof(status));
	assert_int_equal(status, 0);
	assert_true(virtio_active(driver.virtio));
}

/* A real tap, in a network namespace of our own, and a socket on the host's side of it. */
static int open_taps(int *taps, int n)
{
	char name[IFNAMSIZ] = "";
	struct ifreq request = { 0 };
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(0x88b5) };
	struct err err = ERR_INIT;
	int fd;

	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return -EPERM;
	if (tap_make("", taps, (size_t)n, name, &err) < 0)
		return -EPERM;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(0x88b5));
	assert_true(fd >= 0);
	memcpy(request.ifr_name, name, sizeof(request.ifr_name));
	request.ifr_flags = IFF_UP;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	address.sll_ifindex = (int)if_nametoindex(name);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void frame_of(uint8_t *frame, size_t len, uint8_t seed)
{
	memset(frame, seed, len);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, MAC, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
}

/* What else the host's kernel says on a new interface is passed over. */
static void await_frame(unsigned int queue, const uint8_t *frame, size_t len)
{
	for (int i = 0; i < 1000; i++) {
		uint32_t n = 0;
		int head;

		driver_turn(&driver);
		head = driver_used(&driver, queue, &n);
		if (head >= 0 && n == HEADER + len &&
		    !memcmp(driver_at(&driver, driver.queues[queue].desc[head].gpa + HEADER, len),
			    frame, len))
			return;
	}
	fail_msg("the frame did not come");
}

static void exchange_over_a_tap(int host)
{
	uint8_t frame[1000], back[2000];
	struct pollfd ready = { .fd = host, .events = POLLIN };

	give_buffers(128, 1526);
	frame_of(frame, sizeof(frame), 1);
	assert_int_equal(send(host, frame, sizeof(frame), 0), sizeof(frame));
	await_frame(RX, frame, sizeof(frame));
	frame_of(frame, sizeof(frame), 2);
	memset(back, 0, HEADER);
	memcpy(back + HEADER, frame, sizeof(frame));
	assert_true(transmit(back, HEADER + sizeof(frame)) >= 0);
	assert_int_equal(poll(&ready, 1, 5000), 1);
	assert_int_equal(recv(host, back, sizeof(back), 0), sizeof(frame));
	assert_memory_equal(back, frame, sizeof(frame));
}

static void a_tap_carries_frames(void **state _unused_)
{
	const uint64_t offloads = BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4);
	int tap, host = open_taps(&tap, 1);

	if (host < 0)
		skip();
	make(&tap, 1, NULL);
	driver_start(&driver, MERGEABLE | offloads);
	exchange_over_a_tap(host);
	driver_start(&driver, MERGEABLE); /* a driver that takes over nothing */
	exchange_over_a_tap(host);
	driver_release(&driver);
	close(host);
}

static void taps_of_several_queues_carry_frames(void **state _unused_)
{
	const uint8_t two[] = { 4, 0, 2, 0 };
	int taps[2], host = open_taps(taps, 2);

	if (host < 0)
		skip();
	make(taps, 2, NULL);
	driver_start(&driver, MERGEABLE | CONTROL | MQ);
	exchange_over_a_tap(host); /* by the only queue that is attached */
	assert_int_equal(command(4, two, 4), VIRTIO_NET_OK);
	virtio_set_status(driver.virtio, 0);
	driver_start(&driver, MERGEABLE);
	exchange_over_a_tap(host);
	driver_release(&driver);
	close(host);
}

static void a_vhost_that_is_none_is_done_without(void **state _unused_)
{
	int tap, host = open_taps(&tap, 1), vhost = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (host < 0)
		skip();
	make(&tap, 1, &vhost);
	assert_int_equal(fcntl(vhost, F_GETFD), -1);
	driver_start(&driver, MERGEABLE);
	assert_false(net_offloaded(net));
	exchange_over_a_tap(host);
	driver_release(&driver);
	close(host);
}

/* A transport whose kicks and interrupts are eventfds. */
static int events[2][3];

static int kick_fd(void *ctx _unused_, unsigned int queue)
{
	return events[0][queue];
}

static int call_fd(void *ctx _unused_, unsigned int queue)
{
	return events[1][queue];
}

static const struct virtio_transport_ops transport = {
	.raise = driver_raise,
	.take_kicks = driver_take_kicks,
	.kick_fd = kick_fd,
	.call_fd = call_fd,
};

static void set_ok(void)
{
	virtio_attach(driver.virtio, &transport, &driver);
	virtio_set_status(driver.virtio, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
						 VIRTIO_STATUS_FEATURES_OK |
						 VIRTIO_STATUS_DRIVER_OK);
}

static void vhost_exchange(int host)
{
	const uint64_t one = 1;
	uint8_t frame[1000], back[2000];
	struct pollfd ready = { .fd = host, .events = POLLIN };
	struct pollfd called = { .fd = events[1][RX], .events = POLLIN };

	give_buffers(64, 1526);
	assert_int_equal(write(events[0][RX], &one, sizeof(one)), sizeof(one));
	frame_of(frame, sizeof(frame), 1);
	assert_int_equal(send(host, frame, sizeof(frame), 0), sizeof(frame));
	assert_int_equal(poll(&called, 1, 10000), 1);
	await_frame(RX, frame, sizeof(frame));
	memset(back, 0, HEADER);
	frame_of(back + HEADER, sizeof(frame), 2);
	(void)transmit(back, HEADER + sizeof(frame));
	assert_int_equal(write(events[0][TX], &one, sizeof(one)), sizeof(one));
	assert_int_equal(poll(&ready, 1, 10000), 1);
	assert_int_equal(recv(host, back, sizeof(back), 0), sizeof(frame));
	assert_int_equal(back[20], 2);
}

static void vhost_serves_the_queues(void **state _unused_)
{
	int tap, host, vhost = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);

	if (vhost < 0)
		skip();
	host = open_taps(&tap, 1);
	assert_true(host >= 0);
	for (int i = 0; i < 6; i++)
		events[i / 3][i % 3] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	make(&tap, 1, &vhost);
	for (int i = 0; i < 2; i++) { /* and again after a reset */
		driver_prepare(&driver, MERGEABLE | EVENT_IDX);
		set_ok();
		assert_true(net_offloaded(net));
		vhost_exchange(host);
		virtio_set_status(driver.virtio, 0);
		assert_false(net_offloaded(net));
	}
	driver_start(&driver, MERGEABLE); /* kicks have no eventfd: in this process */
	assert_false(net_offloaded(net));
	exchange_over_a_tap(host);
	driver_release(&driver);
	for (int i = 0; i < 6; i++)
		close(events[i / 3][i % 3]);
	close(host);
}

static void descriptors_stay_the_callers_on_failure(void **state _unused_)
{
	const int taps[2] = { dup(1), -EBADF };
	struct net_options options = { .pairs = 2, .taps = taps };
	struct virtio *virtio = NULL;
	struct err err = ERR_INIT;

	driver_init(&driver);
	assert_true(net_new(&driver.host, &options, &virtio, &net, &err) < 0);
	assert_int_equal(close(taps[0]), 0);
	options.pairs = 0;
	assert_int_equal(net_new(&driver.host, &options, &virtio, &net, &err), -EINVAL);
	driver_release(&driver);
}

#define WITH(test)   cmocka_unit_test_setup_teardown(test, setup, teardown)
#define STREAM(test) cmocka_unit_test_setup_teardown(test, setup_stream, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(packets_come_in_the_order_they_were_sent),
		WITH(a_large_packet_spreads_over_buffers),
		WITH(a_packet_waits_for_the_buffers_that_it_lacks),
		WITH(a_packet_that_never_fits_does_not_block_the_others),
		WITH(buffers_that_are_not_merged_hold_a_packet_each),
		WITH(what_the_guest_sends_goes_out_whole),
		WITH(a_full_wire_holds_packets_back),
		WITH(runts_and_giants_are_dropped),
		WITH(commands_get_an_answer),
		WITH(pairs_are_used_as_the_driver_says),
		WITH(an_unplugged_cable_carries_nothing),
		WITH(a_reset_forgets_buffers),
		WITH(a_wire_whose_end_is_gone_is_quiet),
		STREAM(a_stream_has_no_work_on_packets_to_leave_to_others),
		STREAM(packets_come_over_a_stream),
		STREAM(packets_wait_in_a_stream_for_buffers),
		STREAM(packets_go_over_a_stream),
		STREAM(a_stream_that_is_full_is_whole_when_it_has_room_again_even_after_a_reset),
		STREAM(a_stream_whose_end_is_gone_takes_the_link_down_and_nothing_else),
		cmocka_unit_test(a_tap_carries_frames),
		cmocka_unit_test(taps_of_several_queues_carry_frames),
		cmocka_unit_test(a_vhost_that_is_none_is_done_without),
		cmocka_unit_test(vhost_serves_the_queues),
		cmocka_unit_test(descriptors_stay_the_callers_on_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
