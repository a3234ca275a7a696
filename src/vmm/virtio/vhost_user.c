// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/vhost_user.h"
#include "base/units.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* docs/interop/vhost-user, "Front-end message types", of QEMU */
enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
};

#define VHOST_USER_VERSION 1
#define VHOST_USER_REPLY   4   /* in flags */
#define VHOST_USER_NO_FD   256 /* in the payload of KICK and CALL: no descriptor comes with it */

struct vhost_user_header {
	uint32_t request, flags, size;
};

struct vhost_user_state {
	uint32_t index, value;
};

struct vhost_user_address {
	uint32_t index, flags;
	uint64_t descriptors, used, available, log;
};

struct vhost_user_region {
	uint64_t gpa, size, address, offset;
};

struct vhost_user_memory {
	uint32_t n, padding;
	struct vhost_user_region regions[RAM_REGIONS_MAX];
};

static int vhost_user_send(int fd, enum vhost_user_request request, const void *payload,
			   size_t size, const int *fds, size_t n_fds)
{
	struct vhost_user_header header = { request, VHOST_USER_VERSION, (uint32_t)size };
	struct iovec parts[] = { { &header, sizeof(header) },
				 { (void *)(uintptr_t)payload, size } };
	union {
		struct cmsghdr header;
		uint8_t data[CMSG_SPACE(RAM_REGIONS_MAX * sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = size ? 2 : 1 };
	ssize_t n;

	if (n_fds) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						   .cmsg_type = SCM_RIGHTS,
						   .cmsg_len = CMSG_LEN(n_fds * sizeof(int)) };
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
	}
	n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	/* half a message can never be made whole, and is as good as none */
	return (size_t)n == sizeof(header) + size ? 0 : -EPIPE;
}

static int vhost_user_wait(int fd, int64_t deadline)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	int64_t left = (deadline - units_monotonic()) / 1000000;
	int r = left > 0 ? poll(&wait, 1, (int)left) : 0;

	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r ? 0 : -ETIMEDOUT;
}

/* A whole answer of that size. */
static int vhost_user_receive(int fd, enum vhost_user_request request, void *payload, size_t size)
{
	uint8_t data[sizeof(struct vhost_user_header) + sizeof(uint64_t)] = { 0 };
	int64_t deadline = units_monotonic() + VHOST_USER_WAIT_MS * INT64_C(1000000);
	struct vhost_user_header header;
	size_t len = 0, want = sizeof(header) + size;

	while (len < want) {
		int r = vhost_user_wait(fd, deadline);
		ssize_t n = r < 0 ? 0 : recv(fd, data + len, want - len, MSG_DONTWAIT);

		if (r < 0)
			return r;
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	}
	memcpy(&header, data, sizeof(header));
	if (header.request != request || header.size != size || !(header.flags & VHOST_USER_REPLY))
		return -EBADMSG;
	memcpy(payload, data + sizeof(header), size);
	return 0;
}

int vhost_user_features(int fd, uint64_t *ret)
{
	int r = vhost_user_send(fd, VHOST_USER_GET_FEATURES, NULL, 0, NULL, 0);

	return r < 0 ? r : vhost_user_receive(fd, VHOST_USER_GET_FEATURES, ret, sizeof(*ret));
}

static int vhost_user_set_memory(int fd, const struct ram *ram)
{
	struct vhost_user_memory memory = { 0 };
	const struct ram_region *regions;
	int fds[RAM_REGIONS_MAX];
	uint64_t offset = 0;

	if (ram_fd(ram) < 0)
		return -EINVAL;
	memory.n = (uint32_t)ram_regions(ram, &regions);
	for (uint32_t i = 0; i < memory.n; i++) {
		memory.regions[i] = (struct vhost_user_region){ .gpa = regions[i].gpa,
								.size = regions[i].size,
								.address = regions[i].gpa,
								.offset = offset };
		fds[i] = ram_fd(ram);
		offset += regions[i].size;
	}
	return vhost_user_send(fd, VHOST_USER_SET_MEM_TABLE, &memory,
			       offsetof(struct vhost_user_memory, regions) +
				       memory.n * sizeof(memory.regions[0]),
			       fds, memory.n);
}

int vhost_user_start(int fd, uint64_t features, const struct ram *ram)
{
	int r = vhost_user_send(fd, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);

	if (r == 0)
		r = vhost_user_send(fd, VHOST_USER_SET_FEATURES, &features, sizeof(features), NULL,
				    0);
	return r < 0 ? r : vhost_user_set_memory(fd, ram);
}

static int vhost_user_send_state(int fd, enum vhost_user_request request, unsigned int index,
				 uint32_t value)
{
	const struct vhost_user_state state = { index, value };

	return vhost_user_send(fd, request, &state, sizeof(state), NULL, 0);
}

static int vhost_user_send_event(int fd, enum vhost_user_request request, unsigned int index,
				 int event)
{
	const uint64_t value = index | (event < 0 ? VHOST_USER_NO_FD : 0);

	return vhost_user_send(fd, request, &value, sizeof(value), &event, event < 0 ? 0 : 1);
}

/* The kick is what starts it, so it comes last. */
int vhost_user_start_ring(int fd, unsigned int index, const struct queue_setup *setup, int kick,
			  int call)
{
	const struct vhost_user_address address = { .index = index,
						    .descriptors = setup->descriptors,
						    .used = setup->device,
						    .available = setup->driver };
	int r = vhost_user_send_state(fd, VHOST_USER_SET_VRING_NUM, index, setup->size);

	if (r == 0)
		r = vhost_user_send_state(fd, VHOST_USER_SET_VRING_BASE, index, 0);
	if (r == 0)
		r = vhost_user_send(fd, VHOST_USER_SET_VRING_ADDR, &address, sizeof(address), NULL,
				    0);
	if (r == 0)
		r = vhost_user_send_event(fd, VHOST_USER_SET_VRING_CALL, index, call);
	return r < 0 ? r : vhost_user_send_event(fd, VHOST_USER_SET_VRING_KICK, index, kick);
}

int vhost_user_stop_ring(int fd, unsigned int index)
{
	return vhost_user_send_state(fd, VHOST_USER_GET_VRING_BASE, index, 0);
}

int vhost_user_read_stopped(int fd, struct vhost_user_reader *reader)
{
	const uint32_t want = sizeof(struct vhost_user_header) + sizeof(struct vhost_user_state);
	struct vhost_user_header header;
	ssize_t n = recv(fd, reader->data + reader->len, want - reader->len, MSG_DONTWAIT);

	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	reader->len += (uint32_t)n;
	if (reader->len < want)
		return 0;
	reader->len = 0;
	memcpy(&header, reader->data, sizeof(header));
	return header.request == VHOST_USER_GET_VRING_BASE &&
			       header.size == sizeof(struct vhost_user_state)
		       ? 1
		       : -EBADMSG;
}
