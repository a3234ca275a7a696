// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/uevent.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

/* the multicast group of the kernel's own announcements (udev's are in 2) */
#define UEVENT_GROUP_KERNEL 1

static int64_t uevent_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int uevent_open(struct err *err)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP_KERNEL };
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
					NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_errno(err, -errno, "cannot listen for devices");
	return take_fd(&fd);
}

/* What was announced does not matter, nor whether some was lost: all is looked at again. */
static void uevent_drain(int fd)
{
	char message[4096];

	while (recv(fd, message, sizeof(message), 0) > 0 || errno == ENOBUFS)
		continue;
}

int uevent_wait(int fd, int64_t timeout_ms, int (*check)(void *ctx, struct err *err), void *ctx,
		struct err *err)
{
	int64_t deadline = uevent_now() + timeout_ms;

	for (;;) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		int64_t left;
		int r = check(ctx, err);

		left = deadline - uevent_now();
		if (r || left <= 0)
			return r;
		if (poll(&poll_fd, 1, (int)left) > 0)
			uevent_drain(fd);
	}
}
