// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/net_stream.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define HEADER	12
#define LARGEST (NET_STREAM_PACKET_MAX - HEADER)

static struct net_stream *stream;
static int ends[2]; /* the stream's, and its other end */
static uint8_t got[NET_STREAM_PACKET_MAX];

static int setup(void **state _unused_)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			 0);
	stream = net_stream_new(ends[0]);
	memset(got, 0xee, sizeof(got));
	return 0;
}

static int teardown(void **state _unused_)
{
	stream = net_stream_free(stream);
	for (int i = 0; i < 2; i++)
		ends[i] = fd_close(ends[i]);
	return 0;
}

static void say(const void *data, size_t len)
{
	assert_int_equal(send(ends[1], data, len, MSG_NOSIGNAL), len);
}

static void say_packet(const char *text)
{
	uint32_t length = htonl((uint32_t)strlen(text));

	say(&length, sizeof(length));
	say(text, strlen(text));
}

/* Over segments of 5 bytes at first. */
static ssize_t hear(void)
{
	const struct iovec segments[] = { { got, 5 },
					  { got + 5, 9 },
					  { got + 14, sizeof(got) - 14 } };

	return net_stream_read(stream, segments, ARRAY_SIZE(segments));
}

static void assert_heard(const char *text)
{
	static const uint8_t zero[HEADER];

	assert_int_equal(hear(), HEADER + strlen(text));
	assert_memory_equal(got, zero, HEADER);
	assert_memory_equal(got + HEADER, text, strlen(text));
}

static void packets_are_told_apart(void **state _unused_)
{
	say_packet("one");
	say_packet("the second");
	assert_false(net_stream_ready(stream));
	assert_heard("one");
	assert_true(net_stream_ready(stream)); /* and the socket is empty */
	assert_heard("the second");
	assert_false(net_stream_ready(stream));
	assert_int_equal(hear(), -EAGAIN);
}

static void a_packet_may_come_a_byte_at_a_time(void **state _unused_)
{
	const uint8_t bytes[] = { 0, 0, 0, 3, 'a', 'b', 'c' };

	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(hear(), -EAGAIN);
		say(&bytes[i], 1);
	}
	assert_heard("abc");
}

static void many_large_packets_come_through_whole(void **state _unused_)
{
	static uint8_t sent[4 + LARGEST];

	for (unsigned int i = 0; i < 50; i++) {
		size_t len = i % 2 ? LARGEST : 1000 * i + 1, at = 0;
		uint32_t length = htonl((uint32_t)len);
		ssize_t n;

		memcpy(sent, &length, sizeof(length));
		memset(sent + 4, (int)i, len);
		do {
			n = send(ends[1], sent + at, 4 + len - at, MSG_NOSIGNAL);
			at += n > 0 ? (size_t)n : 0;
			n = hear();
		} while (n == -EAGAIN && at < 4 + len);
		assert_int_equal(n, HEADER + len);
		assert_memory_equal(got + HEADER, sent + 4, len);
	}
}

static void a_length_that_no_packet_has_ends_it(void **state _unused_)
{
	static const uint32_t lengths[] = { 0, LARGEST + 1, UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint32_t length = htonl(lengths[i]);

		say_packet("good");
		say(&length, sizeof(length));
		say_packet("never heard");
		assert_heard("good");
		assert_int_equal(hear(), -EBADMSG);
		assert_int_equal(hear(), -EBADMSG);
		teardown(NULL);
		setup(NULL);
	}
}

static void what_came_before_the_end_is_still_heard(void **state _unused_)
{
	say_packet("last");
	say("\0\0", 2);
	ends[1] = fd_close(ends[1]);
	assert_heard("last");
	assert_int_equal(hear(), 0);
	assert_int_equal(hear(), 0);
}

static int send_packet(uint8_t *packet, size_t len)
{
	const struct iovec segments[] = { { packet, 3 },
					  { packet + 3, 20 },
					  { packet + 23, len - 23 } };

	return net_stream_write(stream, segments, ARRAY_SIZE(segments));
}

/* Takes exactly that much off the other end, while more is flushed. */
static void take(uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = recv(ends[1], data, len, 0);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
		net_stream_flush(stream);
	}
}

static void packets_are_sent_without_their_header(void **state _unused_)
{
	uint8_t packet[100] = { 0 }, taken[4 + 88];

	memset(packet + HEADER, 7, sizeof(packet) - HEADER);
	assert_int_equal(send_packet(packet, sizeof(packet)), 0);
	take(taken, sizeof(taken));
	assert_memory_equal(taken, "\0\0\0\x58", 4);
	assert_memory_equal(taken + 4, packet + HEADER, 88);
}

static void what_the_socket_has_no_room_for_goes_later_and_nothing_in_between(void **state _unused_)
{
	static uint8_t packet[NET_STREAM_PACKET_MAX], taken[4 + LARGEST];
	int room = 4096, sent = 0;

	(void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	while (!net_stream_unsent(stream)) {
		memset(packet + HEADER, sent, LARGEST);
		if (send_packet(packet, sizeof(packet)) < 0)
			break;
		sent++;
	}
	assert_int_equal(send_packet(packet, sizeof(packet)), -EAGAIN);
	memset(packet, 0xff, sizeof(packet)); /* the guest's memory is its own again */
	for (int i = 0; i < sent; i++) {
		take(taken, sizeof(taken));
		assert_memory_equal(taken, "\0\1\0\x3f", 4);
		for (size_t at = 4; at < sizeof(taken); at++)
			assert_int_equal(taken[at], i);
	}
	assert_false(net_stream_unsent(stream));
	assert_int_equal(recv(ends[1], taken, 1, 0), -1);
}

static void packets_that_cannot_be_are_lost(void **state _unused_)
{
	static uint8_t packet[NET_STREAM_PACKET_MAX + 1];
	const struct iovec empty = { packet, HEADER };

	assert_int_equal(net_stream_write(stream, &empty, 1), 0);
	assert_int_equal(send_packet(packet, sizeof(packet)), 0);
	assert_int_equal(recv(ends[1], packet, 1, 0), -1);
}

static void an_end_that_is_gone_takes_what_was_kept_for_it(void **state _unused_)
{
	static uint8_t packet[NET_STREAM_PACKET_MAX];
	int room = 4096;

	(void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	while (send_packet(packet, sizeof(packet)) == 0)
		continue;
	ends[1] = fd_close(ends[1]);
	net_stream_flush(stream);
	assert_false(net_stream_unsent(stream));
	assert_int_equal(send_packet(packet, sizeof(packet)), -EPIPE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(packets_are_told_apart),
		TEST(a_packet_may_come_a_byte_at_a_time),
		TEST(many_large_packets_come_through_whole),
		TEST(a_length_that_no_packet_has_ends_it),
		TEST(what_came_before_the_end_is_still_heard),
		TEST(packets_are_sent_without_their_header),
		TEST(what_the_socket_has_no_room_for_goes_later_and_nothing_in_between),
		TEST(packets_that_cannot_be_are_lost),
		TEST(an_end_that_is_gone_takes_what_was_kept_for_it),
	};

	return cmocka_run_group_tests_name("vmm/virtio/net_stream", tests, NULL, NULL);
}
