// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/netns.h"
#include "base/file.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

int netns_socket(int netns, int domain, int type, int protocol, struct err *err)
{
	_cleanup_close_ int sock = -EBADF, ours = -EBADF;
	int r;

	if (netns >= 0) {
		ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (ours < 0)
			return err_errno(err, -errno, "cannot open our own network namespace");
		if (setns(netns, CLONE_NEWNET) < 0)
			return err_errno(err, -errno, "cannot reach a network namespace");
	}
	sock = socket(domain, type | SOCK_CLOEXEC, protocol);
	r = sock < 0 ? -errno : 0;
	if (netns >= 0 && setns(ours, CLONE_NEWNET) < 0)
		return err_errno(err, -errno, "cannot go back to our own network namespace");
	return r < 0 ? err_errno(err, r, "cannot open a socket") : take_fd(&sock);
}
