// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/loopdev.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* Others take free devices too; who loses a race this often has another problem. */
#define LOOPDEV_TRIES 64

static int loopdev_configure(int device, int file, int writable)
{
	struct loop_config config = {
		.fd = (uint32_t)file,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | (writable ? 0 : LO_FLAGS_READ_ONLY),
	};

	return ioctl(device, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

int loopdev_attach(const char *path, int writable, int *ret_fd, char name[32], struct err *err)
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int mode = writable ? O_RDWR : O_RDONLY;
	_cleanup_close_ int file = open(path, mode | O_CLOEXEC);

	if (control < 0)
		return err_errno(err, -errno,
				 "cannot open /dev/loop-control (try `modprobe loop`)");
	if (file < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	for (int i = 0; i < LOOPDEV_TRIES; i++) {
		_cleanup_close_ int device = -EBADF;
		int number = ioctl(control, LOOP_CTL_GET_FREE), r;

		if (number < 0)
			return err_errno(err, -errno, "there is no free loop device");
		snprintf(name, 32, "/dev/loop%d", number);
		device = open(name, mode | O_CLOEXEC);
		if (device < 0)
			return err_errno(err, -errno, "cannot open %s", name);
		r = loopdev_configure(device, file, writable);
		if (r == 0)
			*ret_fd = take_fd(&device);
		if (r != -EBUSY)
			return r < 0 ? err_errno(err, r, "cannot make %s of %s", name, path) : 0;
	}
	return err_set(err, -EBUSY, "cannot get a loop device: others take them all");
}
