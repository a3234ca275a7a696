// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hostile drivers: the first byte picks a device, the next eight the features that are not taken, the rest is
 * what the guest and the host do to it. Chains are mostly well formed, so that their contents get through.
 */
#include "../unit/vmm/virtio/driver.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/serial.h"
#include "vmm/virtio/vsock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#define FUZZ_STEPS 64

struct fuzz {
	struct driver driver;
	const uint8_t *data;
	size_t left;
	int hosts[4]; /* the other ends of what the device has */
	struct balloon *balloon;
	struct net *net;
};

static uint32_t fuzz_take(struct fuzz *fuzz, size_t len)
{
	uint32_t value = 0;

	for (size_t i = 0; i < len && fuzz->left; i++, fuzz->left--)
		value |= (uint32_t)*fuzz->data++ << (8 * i);
	return value;
}

/* Up to len bytes of the input as they are. */
static size_t fuzz_bytes(struct fuzz *fuzz, const uint8_t **ret, size_t len)
{
	len = len < fuzz->left ? len : fuzz->left;
	*ret = fuzz->data;
	fuzz->data += len;
	fuzz->left -= len;
	return len;
}

static int fuzz_pair(struct fuzz *fuzz, size_t i, int type)
{
	int pair[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	fuzz->hosts[i] = pair[1];
	return pair[0];
}

static void fuzz_make_serial(struct fuzz *fuzz)
{
	struct serial_port ports[3] = { { .name = "agent", .fd = fuzz_pair(fuzz, 0, SOCK_STREAM) },
					{ .is_console = 1, .fd = fuzz_pair(fuzz, 1, SOCK_STREAM) },
					{ .name = "", .is_console = 1 } };
	struct err err = ERR_INIT;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		abort();
	fuzz->hosts[2] = ends[0];
	ports[2].fd = ends[1];
	if (serial_new(&fuzz->driver.host, ports, 3, &fuzz->driver.virtio, &err) < 0)
		abort();
}

static void fuzz_make_rng(struct fuzz *fuzz)
{
	fuzz->driver.virtio = rng_new(&fuzz->driver.host);
}

static void fuzz_make_balloon(struct fuzz *fuzz)
{
	struct err err = ERR_INIT;

	if (balloon_new(&fuzz->driver.host, &fuzz->driver.virtio, &fuzz->balloon, &err) < 0)
		abort();
}

static void fuzz_make_net(struct fuzz *fuzz)
{
	const int taps[2] = { fuzz_pair(fuzz, 0, SOCK_SEQPACKET),
			      fuzz_pair(fuzz, 1, SOCK_SEQPACKET) };
	struct net_options options = { .mtu = 1500, .pairs = 2, .taps = taps };
	struct err err = ERR_INIT;

	if (net_new(&fuzz->driver.host, &options, &fuzz->driver.virtio, &fuzz->net, &err) < 0)
		abort();
}

static void fuzz_make_net_stream(struct fuzz *fuzz)
{
	const int stream = fuzz_pair(fuzz, 0, SOCK_STREAM);
	struct net_options options = { .pairs = 1, .taps = &stream, .is_stream = 1 };
	struct err err = ERR_INIT;

	if (net_new(&fuzz->driver.host, &options, &fuzz->driver.virtio, &fuzz->net, &err) < 0)
		abort();
}

/* Its clients are hosts 0 and 2, its connector is 1. */
static void fuzz_make_vsock(struct fuzz *fuzz)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(address);
	struct vsock_options options = { .cid = 3,
					 .connector = fuzz_pair(fuzz, 1, SOCK_SEQPACKET) };
	struct err err = ERR_INIT;

	options.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(options.listener, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
	    getsockname(options.listener, (struct sockaddr *)&address, &len) < 0 ||
	    listen(options.listener, 8) < 0)
		abort();
	for (int i = 0; i <= 2; i += 2) {
		fuzz->hosts[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (connect(fuzz->hosts[i], (struct sockaddr *)&address, len) < 0)
			abort();
	}
	if (vsock_new(&fuzz->driver.host, &options, &fuzz->driver.virtio, &err) < 0)
		abort();
}

/* A stream for what the guest has asked for, whoever it was. */
static void fuzz_reply(struct fuzz *fuzz)
{
	uint32_t what = fuzz_take(fuzz, 1);
	uint32_t answer[2] = { what >> 4, what & 8 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct iovec part = { .iov_base = answer, .iov_len = what & 4 ? sizeof(answer) : what & 3 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	int fd;

	fuzz->hosts[3] = fd_close(fuzz->hosts[3]);
	fd = fuzz_pair(fuzz, 3, SOCK_STREAM);
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (!(what & 2)) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	(void)!sendmsg(fuzz->hosts[1], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void (*const fuzz_make[])(struct fuzz *fuzz) = {
	fuzz_make_serial, fuzz_make_rng,   fuzz_make_balloon,
	fuzz_make_net,	  fuzz_make_vsock, fuzz_make_net_stream,
};

/* Memory that the guest may mean: mostly data, now and then rings, an edge or nothing at all. */
static uint64_t fuzz_gpa(struct fuzz *fuzz)
{
	uint32_t where = fuzz_take(fuzz, 1);

	if (where < 0xf0)
		return DRIVER_DATA + where * 0x1000ULL;
	if (where < 0xf8)
		return DRIVER_RINGS + 0x800ULL * fuzz_take(fuzz, 1);
	return (where & 1 ? DRIVER_MEMORY : 0) - fuzz_take(fuzz, 2);
}

/* A chain of a few parts, whose first bytes come from the input. */
static void fuzz_chain(struct fuzz *fuzz, unsigned int index)
{
	struct driver_queue *queue = &fuzz->driver.queues[index];
	struct driver_part parts[8];
	uint32_t shape = fuzz_take(fuzz, 1);
	uint16_t n = (uint16_t)(shape % 8 + 1);

	for (uint16_t i = 0; i < n; i++) {
		uint32_t size = fuzz_take(fuzz, 1);
		const uint8_t *bytes;
		size_t len;

		parts[i].gpa = fuzz_gpa(fuzz);
		parts[i].len = size < 0xc0 ? size : size << (size & 15);
		parts[i].in = i >= shape >> 5;
		if (parts[i].in)
			continue;
		len = fuzz_bytes(fuzz, &bytes, parts[i].len < 64 ? parts[i].len : 64);
		if (len)
			(void)ram_write(fuzz->driver.ram, parts[i].gpa, bytes, len);
	}
	if (queue->n_free < n) { /* its answers are not waited for */
		queue->n_free = queue->size;
		for (uint16_t i = 0; i < queue->size; i++)
			queue->free[i] = i;
	}
	(void)driver_add(&fuzz->driver, index, parts, n);
}

static void fuzz_host(struct fuzz *fuzz)
{
	uint32_t what = fuzz_take(fuzz, 1);
	int fd = fuzz->hosts[what & 3];
	char sink[4096];
	const uint8_t *bytes;
	size_t len;

	if (fuzz->balloon && what & 1)
		balloon_set_target(fuzz->balloon, fuzz_take(fuzz, 4));
	else if (fuzz->balloon)
		balloon_ask(fuzz->balloon);
	if (fuzz->net && what >> 2 == 63)
		net_set_link(fuzz->net, what & 1);
	if (!fuzz->net && !fuzz->balloon && what == 0xfd)
		fuzz_reply(fuzz);
	if (fd < 0 || what >> 2 == 63)
		return;
	switch (what >> 2 & 3) {
	case 0:
		len = fuzz_bytes(fuzz, &bytes, what >> 2);
		(void)!write(fd, bytes, len);
		break;
	case 1:
		(void)shutdown(fd, what & 16 ? SHUT_WR : SHUT_RD);
		break;
	case 2:
		while (what-- & 15 && recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
			;
		break;
	default:
		fuzz->hosts[what & 3] = fd_close(fd);
	}
}

static void fuzz_configuration(struct fuzz *fuzz)
{
	uint32_t offset = fuzz_take(fuzz, 1), len = fuzz_take(fuzz, 1) % 8 + 1;
	uint64_t value = fuzz_take(fuzz, 4);

	virtio_config_write(fuzz->driver.virtio, offset, &value, len);
	virtio_config_read(fuzz->driver.virtio, offset, &value, len);
}

static void fuzz_step(struct fuzz *fuzz, uint64_t features)
{
	struct driver *driver = &fuzz->driver;
	uint32_t what = fuzz_take(fuzz, 1);
	unsigned int queue = (what >> 3) % virtio_kind(driver->virtio)->n_queues;
	const uint8_t *bytes;
	uint64_t gpa;
	size_t len;

	switch (what & 7) {
	case 0:
	case 1:
		fuzz_chain(fuzz, queue);
		driver_kick(driver, queue);
		break;
	case 2:
		fuzz_chain(fuzz, queue);
		break;
	case 3:
		fuzz_host(fuzz);
		break;
	case 4:
		driver_turns(driver, 2);
		break;
	case 5:
		fuzz_configuration(fuzz);
		break;
	case 6:
		gpa = fuzz_gpa(fuzz);
		len = fuzz_bytes(fuzz, &bytes, what >> 3);
		if (len)
			(void)ram_write(driver->ram, gpa, bytes, len);
		break;
	default:
		if (what >> 3 == 31)
			driver_start(driver, features);
		else
			driver_kick(driver, queue);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { .data = data,
			     .left = size,
			     .hosts = { -EBADF, -EBADF, -EBADF, -EBADF } };
	uint64_t features;

	(void)signal(SIGPIPE, SIG_IGN);
	driver_init(&fuzz.driver);
	fuzz_make[fuzz_take(&fuzz, 1) % ARRAY_SIZE(fuzz_make)](&fuzz);
	features = (uint64_t)fuzz_take(&fuzz, 4);
	features |= (uint64_t)fuzz_take(&fuzz, 4) << 32;
	features = virtio_offered(fuzz.driver.virtio) & ~features;
	driver_start(&fuzz.driver, features);
	for (int i = 0; i < FUZZ_STEPS && fuzz.left; i++)
		fuzz_step(&fuzz, features);
	driver_turns(&fuzz.driver, 2);
	driver_release(&fuzz.driver);
	for (size_t i = 0; i < ARRAY_SIZE(fuzz.hosts); i++)
		fd_close(fuzz.hosts[i]);
	return 0;
}
