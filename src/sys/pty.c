// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/pty.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

/* Documentation/admin-guide/devices.txt: 5:2 is /dev/ptmx */
#define PTY_MAJOR      5
#define PTY_PTMX_MINOR 2

static int pty_check(int fd)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (fs.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(PTY_MAJOR, PTY_PTMX_MINOR))
		return -ENOTTY;
	return 0;
}

int pty_open_slave(int master)
{
	int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int pty_open(int devpts, int *ret_master, int *ret_slave, struct err *err)
{
	/* O_NONBLOCK for what might not be a terminal: a fifo would hold us up. */
	_cleanup_close_ int master =
		openat(devpts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int unlock = 0, slave, r;

	if (master < 0)
		return err_errno(err, -errno, "cannot open a terminal in the container");
	r = pty_check(master);
	if (r < 0)
		return err_errno(err, r, "the container's /dev/pts/ptmx is no terminal");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_errno(err, -errno, "cannot unlock a terminal");
	slave = pty_open_slave(master);
	if (slave < 0)
		return err_errno(err, slave, "cannot open a terminal");
	(void)fcntl(master, F_SETFL, O_RDWR);
	*ret_master = take_fd(&master);
	*ret_slave = slave;
	return 0;
}

int pty_resize(int fd, uint16_t rows, uint16_t columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	return ioctl(fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

int pty_take(int slave)
{
	return ioctl(slave, TIOCSCTTY, 0) < 0 ? -errno : 0;
}
