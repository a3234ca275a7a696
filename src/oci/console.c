// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/console.h"
#include "sys/spawn.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int console_connect(const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -EBADF;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, -ENAMETOOLONG, "--console-socket: the path is too long");
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_errno(err, -errno, "--console-socket %s", path);
	return take_fd(&fd);
}

int console_send(const char *path, int master, struct err *err)
{
	_cleanup_close_ int fd = console_connect(path, err);
	unsigned int number = 0;
	char name[32];
	int r;

	if (fd < 0)
		return fd;
	(void)ioctl(master, TIOCGPTN, &number);
	snprintf(name, sizeof(name), "/dev/pts/%u", number);
	r = spawn_send(fd, name, strlen(name), master);
	return r < 0 ? err_errno(err, r, "--console-socket %s", path) : 0;
}
