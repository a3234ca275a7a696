// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/terminal.h"

#include <fcntl.h>
#include <linux/major.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

/* Documentation/admin-guide/devices.txt: 5 = /dev/ptmx */
#define TERMINAL_PTMX_MINOR 2

void terminal_resize(int master, uint16_t rows, uint16_t columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	(void)ioctl(master, TIOCSWINSZ, &size);
}

int terminal_open_slave(int master)
{
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return slave < 0 ? -errno : slave;
}

/* /dev is the workload's: what it put in the place of ptmx is not taken for it. */
int terminal_open(uint16_t rows, uint16_t columns, int *ret_master, int *ret_slave, struct err *err)
{
	_cleanup_close_ int master =
		open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int unlock = 0, slave;

	if (master < 0 || fstat(master, &st) < 0)
		return err_errno(err, -errno, "cannot open a terminal in the instance");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(TTYAUX_MAJOR, TERMINAL_PTMX_MINOR))
		return err_set(err, -ENODEV, "the instance's /dev/pts/ptmx is not a terminal's");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_errno(err, -errno, "cannot unlock a terminal");
	slave = terminal_open_slave(master);
	if (slave < 0)
		return err_errno(err, slave, "cannot open a terminal's other end");
	if (rows && columns)
		terminal_resize(master, rows, columns);
	*ret_master = take_fd(&master);
	*ret_slave = slave;
	return 0;
}

int terminal_bind_console(int slave, struct err *err)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", slave);
	if (mknod("/dev/console", S_IFREG | 0600, 0) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make /dev/console");
	if (mount(path, "/dev/console", NULL, MS_BIND, NULL) < 0)
		return err_errno(err, -errno, "cannot make the terminal /dev/console");
	return 0;
}

int terminal_attach(int slave, struct err *err)
{
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_errno(err, -errno, "cannot take the terminal");
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (dup2(slave, fd) < 0)
			return err_errno(err, -errno, "cannot take the terminal");
	}
	return 0;
}

char terminal_eof_character(int master)
{
	struct termios settings;

	if (tcgetattr(master, &settings) < 0 || !(settings.c_lflag & ICANON))
		return 0;
	return (char)settings.c_cc[VEOF];
}
