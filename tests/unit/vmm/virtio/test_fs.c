// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/fs.h"
#include "driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>

#define FEATURES                                                                 \
	(UINT64_C(1) << VIRTIO_F_VERSION_1 | UINT64_C(1) << VIRTIO_F_EVENT_IDX | \
	 UINT64_C(1) << VIRTIO_F_INDIRECT_DESC)
#define GET_FEATURES   1
#define SET_MEM_TABLE  5
#define SET_VRING_ADDR 9
#define GET_VRING_BASE 11
#define SET_VRING_KICK 12
#define REPLY	       5 /* version 1, and the bit of an answer */

/* The server's side: what the device has said, in order. */
struct message {
	uint32_t request, flags, size;
	uint8_t payload[256];
	int fds[4];
	size_t n_fds;
};

static struct driver driver;
static int server;

static void answer(uint32_t request, const void *payload, uint32_t size)
{
	uint32_t header[3] = { request, REPLY, size };

	assert_int_equal(send(server, header, sizeof(header), 0), sizeof(header));
	assert_int_equal(send(server, payload, size, 0), size);
}

static void answer_features(uint64_t features)
{
	answer(GET_FEATURES, &features, sizeof(features));
}

static void answer_stopped(uint32_t ring)
{
	const uint32_t state[2] = { ring, 0 };

	answer(GET_VRING_BASE, state, sizeof(state));
}

/* The next message; 0: there is none. */
static int next(struct message *ret)
{
	uint8_t control[CMSG_SPACE(sizeof(ret->fds))];
	struct iovec part = { ret, offsetof(struct message, payload) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *rights;

	*ret = (struct message){ 0 };
	if (recvmsg(server, &message, MSG_DONTWAIT) <= 0)
		return 0;
	rights = CMSG_FIRSTHDR(&message);
	if (rights) {
		ret->n_fds = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(ret->fds, CMSG_DATA(rights), ret->n_fds * sizeof(int));
	}
	assert_true(ret->size <= sizeof(ret->payload));
	if (ret->size)
		assert_int_equal(recv(server, ret->payload, ret->size, 0), ret->size);
	for (size_t i = 0; i < ret->n_fds; i++)
		close(ret->fds[i]);
	return 1;
}

/* Reads on until there is one of that kind. */
static struct message expect(uint32_t request)
{
	struct message message;

	do
		assert_true(next(&message));
	while (message.request != request);
	return message;
}

static int connect_them(int shared)
{
	int pair[2];

	driver_init_with(&driver, shared);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	server = pair[1];
	driver.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return pair[0];
}

static int setup(void **state _unused_)
{
	const struct fs_options options = { .tag = "share0", .server = connect_them(1) };
	struct err err = ERR_INIT;
	struct message message;

	answer_features(FEATURES);
	assert_int_equal(fs_new(&driver.host, &options, &driver.virtio, &err), 0);
	assert_true(next(&message));
	assert_int_equal(message.request, GET_FEATURES);
	return 0;
}

static int teardown(void **state _unused_)
{
	driver_release(&driver);
	server = fd_close(server);
	driver.kick = fd_close(driver.kick);
	return 0;
}

static void the_guest_finds_the_tag_and_one_queue(void **state _unused_)
{
	char tag[36];
	uint32_t queues;

	virtio_config_read(driver.virtio, 0, tag, sizeof(tag));
	virtio_config_read(driver.virtio, 36, &queues, sizeof(queues));
	assert_string_equal(tag, "share0");
	assert_int_equal(queues, 1);
}

static void the_server_gets_memory_and_rings_by_the_guests_addresses(void **state _unused_)
{
	struct message message;
	uint64_t words[6];

	driver_start(&driver, 0);
	message = expect(SET_MEM_TABLE);
	assert_int_equal(message.n_fds, 1);
	memcpy(words, message.payload, 5 * sizeof(uint64_t));
	assert_int_equal(words[0], 1);		   /* one region */
	assert_int_equal(words[1], 0);		   /* at 0 */
	assert_int_equal(words[2], DRIVER_MEMORY); /* of all */
	assert_int_equal(words[3], 0);		   /* and not where we have it */
	for (unsigned int ring = 0; ring < 2; ring++) {
		message = expect(SET_VRING_ADDR);
		memcpy(words, message.payload, 5 * sizeof(uint64_t));
		assert_int_equal(words[0], ring);
		assert_int_equal(words[1], DRIVER_RINGS + 0x2000ULL * ring);
		message = expect(SET_VRING_KICK);
		assert_int_equal(message.n_fds, 1);
	}
	assert_false(next(&message));
}

static void what_was_in_the_ring_before_is_found_by_a_kick(void **state _unused_)
{
	uint64_t kicks = 0;

	driver_start(&driver, 0);
	assert_int_equal(read(driver.kick, &kicks, sizeof(kicks)), sizeof(kicks));
	assert_true(kicks > 0);
}

static void a_reset_waits_for_the_server(void **state _unused_)
{
	driver_start(&driver, 0);
	virtio_set_status(driver.virtio, 0);
	(void)expect(GET_VRING_BASE);
	(void)expect(GET_VRING_BASE);
	assert_int_not_equal(virtio_status(driver.virtio), 0);
	answer_stopped(0);
	driver_turn(&driver);
	assert_int_not_equal(virtio_status(driver.virtio), 0);
	answer_stopped(1);
	driver_turn(&driver);
	assert_int_equal(virtio_status(driver.virtio), 0);
	/* and it can be used again */
	driver_start(&driver, 0);
	(void)expect(SET_VRING_KICK);
}

static void a_server_that_goes_breaks_the_device(void **state _unused_)
{
	driver_start(&driver, 0);
	server = fd_close(server);
	driver_turn(&driver);
	assert_true(virtio_status(driver.virtio) & VIRTIO_STATUS_NEEDS_RESET);
	virtio_set_status(driver.virtio, 0);
	assert_int_equal(virtio_status(driver.virtio), 0);
	driver_start(&driver, 0);
	assert_true(virtio_status(driver.virtio) & VIRTIO_STATUS_NEEDS_RESET);
}

static void a_server_that_goes_in_a_reset_ends_it(void **state _unused_)
{
	driver_start(&driver, 0);
	virtio_set_status(driver.virtio, 0);
	server = fd_close(server);
	driver_turn(&driver);
	assert_int_equal(virtio_status(driver.virtio), 0);
}

static void what_it_says_unasked_is_not_believed(void **state _unused_)
{
	driver_start(&driver, 0);
	answer_stopped(0);
	driver_turn(&driver);
	assert_true(virtio_status(driver.virtio) & VIRTIO_STATUS_NEEDS_RESET);
}

static void a_server_that_can_too_little_is_refused(void **state _unused_)
{
	struct err err = ERR_INIT;
	int ours = connect_them(1);
	const struct fs_options options = { .tag = "share0", .server = ours };

	answer_features(UINT64_C(1) << VIRTIO_F_VERSION_1);
	assert_int_equal(fs_new(&driver.host, &options, &driver.virtio, &err), -EOPNOTSUPP);
	server = fd_close(server);
	err = ERR_INIT;
	assert_int_equal(fs_new(&driver.host, &options, &driver.virtio, &err), -EPIPE);
	close(ours);
	(void)teardown(NULL);
}

static void memory_of_our_own_cannot_be_served(void **state _unused_)
{
	struct err err = ERR_INIT;
	int ours = connect_them(0);
	const struct fs_options options = { .tag = "share0", .server = ours };

	assert_int_equal(fs_new(&driver.host, &options, &driver.virtio, &err), -EINVAL);
	close(ours);
	(void)teardown(NULL);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH(the_guest_finds_the_tag_and_one_queue),
		WITH(the_server_gets_memory_and_rings_by_the_guests_addresses),
		WITH(what_was_in_the_ring_before_is_found_by_a_kick),
		WITH(a_reset_waits_for_the_server),
		WITH(a_server_that_goes_breaks_the_device),
		WITH(a_server_that_goes_in_a_reset_ends_it),
		WITH(what_it_says_unasked_is_not_believed),
		cmocka_unit_test(a_server_that_can_too_little_is_refused),
		cmocka_unit_test(memory_of_our_own_cannot_be_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
