// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>

static int tap_open_queue(const char *name, int flags, char *ret_name, struct err *err)
{
	struct ifreq request = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags) };
	_cleanup_close_ int fd = -EBADF;

	if (strlen(name) >= sizeof(request.ifr_name))
		return err_set(err, -EINVAL, "a network interface's name has at most %zu letters",
			       sizeof(request.ifr_name) - 1);
	memcpy(request.ifr_name, name, strlen(name));
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_errno(err, -errno, "cannot open /dev/net/tun");
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return err_errno(err, -errno, "cannot make the tap %s", name);
	if (ret_name)
		memcpy(ret_name, request.ifr_name, sizeof(request.ifr_name));
	return take_fd(&fd);
}

int tap_make(const char *name, int *ret_queues, size_t count, char *ret_name, struct err *err)
{
	int flags = IFF_TUN_EXCL | (count > 1 ? IFF_MULTI_QUEUE : 0);
	char whole[IFNAMSIZ];

	for (size_t i = 0; i < count; i++) {
		ret_queues[i] = tap_open_queue(i ? whole : name, flags, whole, err);
		if (ret_queues[i] < 0) {
			int r = ret_queues[i];

			while (i-- > 0)
				ret_queues[i] = fd_close(ret_queues[i]);
			return r;
		}
		flags = IFF_MULTI_QUEUE;
	}
	if (ret_name)
		memcpy(ret_name, whole, sizeof(whole));
	return 0;
}

int tap_check(int fd)
{
	struct ifreq request = { 0 };

	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return errno == EBADF ? -EBADF : -ENOTTY;
	return request.ifr_flags & IFF_VNET_HDR ? 0 : -EINVAL;
}

int tap_set_header(int fd, int size)
{
	return ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 ? -errno : 0;
}

int tap_set_offloads(int fd, unsigned int offloads)
{
	return ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads) < 0 ? -errno : 0;
}

int tap_attach(int fd, int attached)
{
	struct ifreq request = { .ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(fd, TUNSETQUEUE, &request) < 0 ? -errno : 0;
}
