// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/vsock.h"
#include "driver.h"

#include <linux/virtio_vsock.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

#define CID	7
#define HEADER	44
#define RX	0
#define TX	1
#define BUFFER	4096ULL
#define BUFFERS 200
#define WINDOW	(256U << 10)
#define STREAM	(64U << 20)
#define PORT	1234
#define GUEST	5678

/* Where the guest's packets are made. */
#define OUT (DRIVER_DATA + BUFFERS * BUFFER)

static struct driver driver;
static struct sockaddr_un address;
static int keeper; /* the other end of the connector */
static uint32_t guest_size, guest_forwarded;

static int listen_somewhere(void)
{
	socklen_t len = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(listen(fd, 512), 0);
	return fd;
}

static void start(void)
{
	driver_start(&driver, 1ULL << VIRTIO_F_EVENT_IDX);
	for (uint64_t i = 0; i < BUFFERS; i++)
		driver_give(&driver, RX, DRIVER_DATA + i * BUFFER, BUFFER, 1);
}

static int setup(void **state _unused_)
{
	struct vsock_options options = { .cid = CID, .listener = listen_somewhere() };
	struct err err = ERR_INIT;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	options.connector = pair[0];
	keeper = pair[1];
	driver_init(&driver);
	assert_int_equal(vsock_new(&driver.host, &options, &driver.virtio, &err), 0);
	guest_size = WINDOW;
	guest_forwarded = 0;
	start();
	return 0;
}

static int teardown(void **state _unused_)
{
	driver_release(&driver);
	keeper = fd_close(keeper);
	return 0;
}

static void tell(uint16_t op, uint32_t host_port, uint32_t guest_port, uint32_t flags,
		 const void *data, uint32_t len)
{
	struct virtio_vsock_hdr header = { .src_cid = CID,
					   .dst_cid = VSOCK_HOST_CID,
					   .src_port = guest_port,
					   .dst_port = host_port,
					   .len = len,
					   .type = VIRTIO_VSOCK_TYPE_STREAM,
					   .op = op,
					   .flags = flags,
					   .buf_alloc = guest_size,
					   .fwd_cnt = guest_forwarded };

	assert_int_equal(ram_write(driver.ram, OUT, &header, HEADER), 0);
	if (len)
		assert_int_equal(ram_write(driver.ram, OUT + HEADER, data, len), 0);
	driver_give(&driver, TX, OUT, HEADER + len, 0);
	assert_true(driver_used(&driver, TX, NULL) >= 0);
}

/* The next packet's operation, 0 if there is none; its buffer is given again. */
static int hear(struct virtio_vsock_hdr *ret, uint8_t *data)
{
	uint32_t len = 0;
	int head = driver_used(&driver, RX, &len);
	uint64_t gpa;

	if (head < 0)
		return 0;
	gpa = driver.queues[RX].desc[head].gpa;
	assert_in_range(len, HEADER, BUFFER);
	memcpy(ret, driver_at(&driver, gpa, HEADER), HEADER);
	assert_int_equal(len, HEADER + ret->len);
	assert_int_equal(ret->src_cid, VSOCK_HOST_CID);
	assert_int_equal(ret->dst_cid, CID);
	assert_int_equal(ret->type, VIRTIO_VSOCK_TYPE_STREAM);
	if (data && ret->len)
		memcpy(data, driver_at(&driver, gpa + HEADER, ret->len), ret->len);
	driver_give(&driver, RX, gpa, BUFFER, 1);
	return ret->op;
}

static int client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(sa_family_t) + 6), 0);
	return fd;
}

/* A client whose connection the guest has accepted; its port on the host. */
static int connected(uint32_t *ret_port)
{
	struct virtio_vsock_hdr header;
	char line[32], want[32];
	int fd = client();

	assert_int_equal(send(fd, "CONNECT 1234\n", 13, 0), 13);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(header.dst_port, PORT);
	assert_int_equal(header.buf_alloc, WINDOW);
	*ret_port = header.src_port;
	tell(VIRTIO_VSOCK_OP_RESPONSE, header.src_port, PORT, 0, NULL, 0);
	(void)snprintf(want, sizeof(want), "OK %u\n", header.src_port);
	assert_int_equal(recv(fd, line, sizeof(line), 0), strlen(want));
	assert_memory_equal(line, want, strlen(want));
	return fd;
}

static int ended(int fd)
{
	char data[64];

	return recv(fd, data, sizeof(data), MSG_DONTWAIT) == 0;
}

static void the_guest_has_its_cid(void **state _unused_)
{
	uint64_t cid = 0;

	virtio_config_read(driver.virtio, 0, &cid, sizeof(cid));
	assert_int_equal(cid, CID);
}

static void a_client_speaks_with_the_guest(void **state _unused_)
{
	struct virtio_vsock_hdr header;
	uint8_t data[BUFFER];
	uint32_t port;
	int fd = connected(&port);

	assert_int_equal(send(fd, "SSH-2.0\r\n", 9, 0), 9);
	driver_turn(&driver);
	assert_int_equal(hear(&header, data), VIRTIO_VSOCK_OP_RW);
	assert_int_equal(header.src_port, port);
	assert_int_equal(header.len, 9);
	assert_memory_equal(data, "SSH-2.0\r\n", 9);
	tell(VIRTIO_VSOCK_OP_RW, port, PORT, 0, "hello", 5);
	assert_int_equal(recv(fd, data, sizeof(data), 0), 5);
	assert_memory_equal(data, "hello", 5);
	close(fd);
}

static void bytes_behind_the_greeting_wait_for_the_answer(void **state _unused_)
{
	struct virtio_vsock_hdr header;
	uint8_t data[BUFFER];
	int fd = client();

	assert_int_equal(send(fd, "CONN", 4, 0), 4);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), 0);
	assert_int_equal(send(fd, "ECT 1234\nearly", 14, 0), 14);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(hear(&header, NULL), 0);
	tell(VIRTIO_VSOCK_OP_RESPONSE, header.src_port, PORT, 0, NULL, 0);
	driver_turn(&driver);
	assert_int_equal(hear(&header, data), VIRTIO_VSOCK_OP_RW);
	assert_int_equal(header.len, 5);
	assert_memory_equal(data, "early", 5);
	close(fd);
}

static void a_bad_greeting_ends_the_connection(void **state _unused_)
{
	static const char *const lines[] = {
		"HELLO\n",	"CONNECT\n",
		"CONNECT x\n",	"CONNECT 4294967295\n",
		"CONNECT -1\n", "CONNECT 00000000000000000000000000001"
	};
	struct virtio_vsock_hdr header;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		int fd = client();
		struct pollfd gone = { .fd = fd, .events = POLLHUP };

		assert_true(send(fd, lines[i], strlen(lines[i]), 0) > 0);
		driver_turn(&driver);
		assert_int_equal(poll(&gone, 1, 0), 1);
		close(fd);
	}
	assert_int_equal(hear(&header, NULL), 0);
}

static void a_port_where_nobody_listens_ends_the_connection(void **state _unused_)
{
	struct virtio_vsock_hdr header;
	int fd = client();

	assert_int_equal(send(fd, "CONNECT 9\n", 10, 0), 10);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_REQUEST);
	tell(VIRTIO_VSOCK_OP_RST, header.src_port, 9, 0, NULL, 0);
	assert_true(ended(fd));
	assert_int_equal(hear(&header, NULL), 0);
	close(fd);
}

static void a_client_that_gives_up_is_forgotten(void **state _unused_)
{
	struct virtio_vsock_hdr header;
	int fd = client();

	assert_int_equal(send(fd, "CONNECT 9\n", 10, 0), 10);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_REQUEST);
	close(fd);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_RST);
	tell(VIRTIO_VSOCK_OP_RESPONSE, header.src_port, 9, 0, NULL, 0);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_RST);
}

static void fill(uint8_t *data, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)((offset + i) * 2654435761U >> 13);
}

static void check(const uint8_t *data, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != (uint8_t)((offset + i) * 2654435761U >> 13))
			fail_msg("byte %ju is wrong", (uintmax_t)(offset + i));
	}
}

static void all_that_the_host_writes_arrives(void **state _unused_)
{
	static uint8_t data[65536];
	struct virtio_vsock_hdr header;
	uint64_t sent = 0, got = 0;
	uint32_t port;
	int fd = connected(&port), op;

	while (got < STREAM) {
		while (sent < STREAM) {
			ssize_t n;

			fill(data, sizeof(data), sent);
			n = send(fd, data,
				 sizeof(data) < STREAM - sent ? sizeof(data) : STREAM - sent,
				 MSG_DONTWAIT);
			if (n < 0)
				break;
			sent += (uint64_t)n;
		}
		driver_turn(&driver);
		while ((op = hear(&header, data))) {
			if (op == VIRTIO_VSOCK_OP_RW) {
				check(data, header.len, got);
				got += header.len;
			}
			assert_true((uint32_t)got - guest_forwarded <= WINDOW);
			if ((uint32_t)got - guest_forwarded < WINDOW / 2)
				continue;
			guest_forwarded = (uint32_t)got;
			tell(VIRTIO_VSOCK_OP_CREDIT_UPDATE, port, PORT, 0, NULL, 0);
		}
		guest_forwarded = (uint32_t)got;
		tell(VIRTIO_VSOCK_OP_CREDIT_UPDATE, port, PORT, 0, NULL, 0);
	}
	assert_int_equal(got, STREAM);
	close(fd);
}

static void no_more_is_sent_than_the_guest_has_room_for(void **state _unused_)
{
	static uint8_t data[65536];
	struct virtio_vsock_hdr header;
	uint32_t port, got = 0;
	int fd, op, asked = 0;

	guest_size = 10000;
	fd = connected(&port);
	assert_int_equal(send(fd, data, 60000, 0), 60000);
	driver_turn(&driver);
	while ((op = hear(&header, NULL))) {
		got += header.len;
		asked += op == VIRTIO_VSOCK_OP_CREDIT_REQUEST;
	}
	assert_int_equal(got, 10000);
	assert_int_equal(asked, 1);
	guest_forwarded = 123456; /* more than it ever got: no credit at all */
	tell(VIRTIO_VSOCK_OP_CREDIT_UPDATE, port, PORT, 0, NULL, 0);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), 0);
	guest_forwarded = 10000;
	tell(VIRTIO_VSOCK_OP_CREDIT_UPDATE, port, PORT, 0, NULL, 0);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_RW);
	close(fd);
}

static void all_that_the_guest_writes_arrives(void **state _unused_)
{
	static uint8_t data[65536];
	struct virtio_vsock_hdr header;
	uint64_t sent = 0, got = 0;
	uint32_t port, forwarded = 0;
	int fd = connected(&port);

	while (got < STREAM) {
		ssize_t n;

		while (sent < STREAM && (uint32_t)sent - forwarded + 32768 <= WINDOW) {
			fill(data, 32768, sent);
			tell(VIRTIO_VSOCK_OP_RW, port, PORT, 0, data, 32768);
			sent += 32768;
		}
		while ((n = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0) {
			check(data, (size_t)n, got);
			got += (uint64_t)n;
			driver_turn(&driver);
		}
		assert_int_equal(errno, EAGAIN);
		while (hear(&header, NULL)) {
			assert_int_equal(header.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			forwarded = header.fwd_cnt;
		}
	}
	close(fd);
}

static void a_guest_that_ignores_its_credit_is_cut_off(void **state _unused_)
{
	static uint8_t data[65536];
	struct virtio_vsock_hdr header;
	uint32_t port;
	int fd = connected(&port), op = 0;

	for (int i = 0; i < 64 && op != VIRTIO_VSOCK_OP_RST; i++) {
		tell(VIRTIO_VSOCK_OP_RW, port, PORT, 0, data, sizeof(data));
		while (hear(&header, NULL))
			op = header.op;
	}
	assert_int_equal(op, VIRTIO_VSOCK_OP_RST);
	close(fd);
}

static void the_hosts_end_comes_after_its_last_byte(void **state _unused_)
{
	struct virtio_vsock_hdr header;
	uint32_t port;
	int fd = connected(&port);

	assert_int_equal(send(fd, "bye", 3, 0), 3);
	shutdown(fd, SHUT_WR);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_RW);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(header.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	tell(VIRTIO_VSOCK_OP_RW, port, PORT, 0, "you too", 7);
	close(fd);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(header.flags, VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND);
	tell(VIRTIO_VSOCK_OP_RST, port, PORT, 0, NULL, 0);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), 0);
}

static void the_guests_end_comes_after_its_last_byte(void **state _unused_)
{
	struct virtio_vsock_hdr header;
	char data[8];
	uint32_t port;
	int fd = connected(&port);

	tell(VIRTIO_VSOCK_OP_RW, port, PORT, 0, "bye", 3);
	tell(VIRTIO_VSOCK_OP_SHUTDOWN, port, PORT, VIRTIO_VSOCK_SHUTDOWN_SEND, NULL, 0);
	assert_int_equal(recv(fd, data, sizeof(data), 0), 3);
	assert_true(ended(fd));
	assert_int_equal(send(fd, "more", 4, 0), 4);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_RW);
	tell(VIRTIO_VSOCK_OP_SHUTDOWN, port, PORT, VIRTIO_VSOCK_SHUTDOWN_RCV, NULL, 0);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_RST);
	close(fd);
}

/* The guest leaves while the client is slow. */
static void bytes_on_their_way_outlive_the_guests_end(void **state _unused_)
{
	static uint8_t data[65536];
	struct virtio_vsock_hdr header;
	uint64_t sent = 0, got = 0;
	uint32_t port;
	int fd = connected(&port), small = 4096;
	ssize_t n;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (int i = 0; i < 7; i++, sent += 32768) {
		fill(data, 32768, sent);
		tell(VIRTIO_VSOCK_OP_RW, port, PORT, 0, data, 32768);
	}
	tell(VIRTIO_VSOCK_OP_RST, port, PORT, 0, NULL, 0);
	while ((n = recv(fd, data, sizeof(data), 0)) > 0) {
		check(data, (size_t)n, got);
		got += (uint64_t)n;
		driver_turn(&driver);
	}
	assert_int_equal(n, 0);
	assert_int_equal(got, sent);
	while (hear(&header, NULL))
		assert_int_not_equal(header.op, VIRTIO_VSOCK_OP_RST);
	close(fd);
}

static void reply(const struct vsock_request *request, int error, int fd)
{
	struct vsock_reply answer = { .id = request->id, .error = error };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { { 0 } };
	struct iovec part = { .iov_base = &answer, .iov_len = sizeof(answer) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
						   .cmsg_level = SOL_SOCKET,
						   .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	assert_int_equal(sendmsg(keeper, &message, 0), sizeof(answer));
	driver_turn(&driver);
}

static void ask(uint32_t host_port, uint32_t guest_port, struct vsock_request *ret)
{
	tell(VIRTIO_VSOCK_OP_REQUEST, host_port, guest_port, 0, NULL, 0);
	assert_int_equal(recv(keeper, ret, sizeof(*ret), MSG_DONTWAIT), sizeof(*ret));
	assert_int_equal(ret->port, host_port);
}

static void the_guest_connects_to_what_the_connector_says(void **state _unused_)
{
	struct vsock_request first, second;
	struct virtio_vsock_hdr header;
	char data[8];
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ask(80, GUEST, &first);
	ask(81, GUEST, &second);
	assert_int_equal(hear(&header, NULL), 0);
	reply(&second, 0, pair[0]);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_RESPONSE);
	assert_int_equal(header.src_port, 81);
	assert_int_equal(header.dst_port, GUEST);
	tell(VIRTIO_VSOCK_OP_RW, 81, GUEST, 0, "GET /", 5);
	assert_int_equal(recv(pair[1], data, sizeof(data), MSG_DONTWAIT), 5);
	reply(&first, -ECONNREFUSED, -EBADF);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_RST);
	assert_int_equal(header.src_port, 80);
	reply(&first, 0, pair[0]); /* for one that is no more */
	assert_int_equal(hear(&header, NULL), 0);
	close(pair[0]);
	close(pair[1]);
}

static void without_a_connector_the_guest_is_refused(void **state _unused_)
{
	struct vsock_request request;
	struct virtio_vsock_hdr header;

	ask(80, GUEST, &request);
	keeper = fd_close(keeper);
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_RST);
	tell(VIRTIO_VSOCK_OP_REQUEST, 80, GUEST + 1, 0, NULL, 0);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_RST);
	assert_int_equal(header.dst_port, GUEST + 1);
}

static void senseless_packets_are_answered_with_a_reset(void **state _unused_)
{
	struct virtio_vsock_hdr header, odd = { .src_cid = CID, .dst_cid = 99, .op = 1, .type = 1 };

	for (uint16_t op = 0; op < 10; op++) {
		if (op == VIRTIO_VSOCK_OP_REQUEST)
			continue;
		tell(op, 5, 6, 0, NULL, 0);
		assert_int_equal(hear(&header, NULL),
				 op == VIRTIO_VSOCK_OP_RST ? 0 : VIRTIO_VSOCK_OP_RST);
	}
	assert_int_equal(ram_write(driver.ram, OUT, &odd, sizeof(odd)), 0);
	driver_give(&driver, TX, OUT, HEADER, 0); /* for somebody else */
	driver_give(&driver, TX, OUT, HEADER - 1, 0);
	odd.dst_cid = VSOCK_HOST_CID;
	odd.len = 1;
	assert_int_equal(ram_write(driver.ram, OUT, &odd, sizeof(odd)), 0);
	driver_give(&driver, TX, OUT, HEADER, 0); /* longer than it is */
	assert_int_equal(hear(&header, NULL), 0);
	assert_true(virtio_active(driver.virtio));
}

static void a_guest_without_buffers_costs_no_memory(void **state _unused_)
{
	struct virtio_vsock_hdr header = {
		.src_cid = CID, .dst_cid = VSOCK_HOST_CID, .type = 1, .op = 5
	};
	int taken = 0, resets = 0;

	driver_start(&driver, 0);
	assert_int_equal(ram_write(driver.ram, OUT, &header, sizeof(header)), 0);
	for (int i = 0; i < 2000; i++) {
		driver_give(&driver, TX, OUT, HEADER, 0);
		while (driver_used(&driver, TX, NULL) >= 0)
			taken++;
	}
	assert_int_equal(taken, VSOCK_CONNECTIONS_MAX);
	for (uint64_t i = 0; i < BUFFERS; i++)
		driver_give(&driver, RX, DRIVER_DATA + i * BUFFER, BUFFER, 1);
	while (hear(&header, NULL) == VIRTIO_VSOCK_OP_RST)
		resets++;
	assert_int_equal(resets, 512); /* and what waited in the ring */
}

static void there_is_a_limit_to_connections(void **state _unused_)
{
	int fds[VSOCK_CONNECTIONS_MAX + 1];

	for (int i = 0; i <= VSOCK_CONNECTIONS_MAX; i++)
		fds[i] = client();
	driver_turns(&driver, VSOCK_CONNECTIONS_MAX + 10);
	for (int i = 0; i <= VSOCK_CONNECTIONS_MAX; i++) {
		assert_int_equal(ended(fds[i]), i == VSOCK_CONNECTIONS_MAX);
		close(fds[i]);
	}
	driver_turns(&driver, 20);
	fds[0] = client();
	driver_turn(&driver);
	assert_false(ended(fds[0]));
	close(fds[0]);
}

static void a_reset_ends_all_connections(void **state _unused_)
{
	uint32_t port;
	int fd = connected(&port);

	virtio_set_status(driver.virtio, 0);
	assert_true(ended(fd));
	close(fd);
	start();
	fd = connected(&port);
	close(fd);
}

static void a_client_that_comes_before_the_driver_waits_for_it(void **state _unused_)
{
	struct virtio_vsock_hdr header;
	int fd;

	virtio_set_status(driver.virtio, 0);
	fd = client();
	assert_int_equal(send(fd, "CONNECT 1234\n", 13, 0), 13);
	driver_turn(&driver);
	assert_int_equal(recv(fd, &header, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	start();
	driver_turn(&driver);
	assert_int_equal(hear(&header, NULL), VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(header.dst_port, PORT);
	close(fd);
}

static void a_broken_device_takes_no_clients(void **state _unused_)
{
	int fd;

	virtio_break(driver.virtio);
	fd = client();
	driver_turn(&driver);
	assert_true(ended(fd));
	close(fd);
}

static void a_cid_is_a_guests(void **state _unused_)
{
	struct vsock_options options = { .listener = -EBADF, .connector = -EBADF };
	struct virtio *virtio = NULL;
	struct err err = ERR_INIT;

	driver_init(&driver);
	for (options.cid = 0; options.cid < VSOCK_CID_MIN; options.cid++)
		assert_int_equal(vsock_new(&driver.host, &options, &virtio, &err), -EINVAL);
	options.cid = UINT32_MAX;
	assert_int_equal(vsock_new(&driver.host, &options, &virtio, &err), -EINVAL);
	driver_release(&driver);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(the_guest_has_its_cid),
		WITH(a_client_speaks_with_the_guest),
		WITH(bytes_behind_the_greeting_wait_for_the_answer),
		WITH(a_bad_greeting_ends_the_connection),
		WITH(a_port_where_nobody_listens_ends_the_connection),
		WITH(a_client_that_gives_up_is_forgotten),
		WITH(all_that_the_host_writes_arrives),
		WITH(no_more_is_sent_than_the_guest_has_room_for),
		WITH(all_that_the_guest_writes_arrives),
		WITH(a_guest_that_ignores_its_credit_is_cut_off),
		WITH(the_hosts_end_comes_after_its_last_byte),
		WITH(the_guests_end_comes_after_its_last_byte),
		WITH(bytes_on_their_way_outlive_the_guests_end),
		WITH(the_guest_connects_to_what_the_connector_says),
		WITH(without_a_connector_the_guest_is_refused),
		WITH(senseless_packets_are_answered_with_a_reset),
		WITH(a_guest_without_buffers_costs_no_memory),
		WITH(there_is_a_limit_to_connections),
		WITH(a_reset_ends_all_connections),
		WITH(a_client_that_comes_before_the_driver_waits_for_it),
		WITH(a_broken_device_takes_no_clients),
		cmocka_unit_test(a_cid_is_a_guests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
