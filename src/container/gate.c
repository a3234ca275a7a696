// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/gate.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* By the folder's descriptor, since a socket's path is short (108 bytes, unix(7)) and folders' are not. */
static int gate_address(int dirfd, const char *name, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%.*s", dirfd,
		     GATE_NAME_MAX, name);
	return n < (int)sizeof(ret->sun_path) ? 0 : -ENAMETOOLONG;
}

static int gate_socket(int dirfd, const char *name, struct sockaddr_un *address)
{
	int r = gate_address(dirfd, name, address);
	int fd = r < 0 ? r : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	return fd < 0 ? (r < 0 ? r : -errno) : fd;
}

int gate_listen(int dirfd, const char *name, struct err *err)
{
	struct sockaddr_un address;
	_cleanup_close_ int fd = gate_socket(dirfd, name, &address);

	if (fd < 0)
		return err_errno(err, fd, "cannot make a socket");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
		return err_errno(err, -errno, "cannot make the socket %s", name);
	return take_fd(&fd);
}

int gate_connect(int dirfd, const char *name)
{
	struct sockaddr_un address;
	_cleanup_close_ int fd = gate_socket(dirfd, name, &address);

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

int gate_accept(int gate, struct err *err)
{
	int fd;

	do {
		fd = accept4(gate, NULL, NULL, SOCK_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? err_errno(err, -errno, "cannot wait to be started") : fd;
}
