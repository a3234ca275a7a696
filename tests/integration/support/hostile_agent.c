// SPDX-License-Identifier: GPL-2.0-or-later
/* Greets as an agent does and then sends bytes that are no frame. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int port(void)
{
	char path[64], name[64];

	for (int port = 0; port < 8; port++) {
		for (int i = 0; i < 4; i++) {
			int fd;

			snprintf(path, sizeof(path), "/sys/class/virtio-ports/vport%dp%d/name",
				 port, i);
			fd = open(path, O_RDONLY);
			memset(name, 0, sizeof(name));
			if (fd < 0 || read(fd, name, sizeof(name) - 1) < 0 ||
			    strncmp(name, "brig.agent", 10))
				continue;
			snprintf(path, sizeof(path), "/dev/vport%dp%d", port, i);
			return open(path, O_RDWR);
		}
	}
	return -1;
}

int main(void)
{
	static const char hello[] = "\x0d\0\0\0\x80\0\0\0\0\0\0\0"
				    "\4\0\0\0" /* MESSAGE_VERSION */
				    "\5\0\0\0"
				    "6.1.0";
	static char garbage[4096];
	char path[256];
	FILE *modules;
	int fd = -1;

	mkdir("/dev", 0755), mkdir("/sys", 0755);
	mount("dev", "/dev", "devtmpfs", 0, "");
	mount("sys", "/sys", "sysfs", 0, "");
	modules = fopen("/etc/modules", "r");
	while (modules && fgets(path, sizeof(path), modules)) {
		path[strcspn(path, "\n")] = '\0';
		fd = open(path, O_RDONLY);
		syscall(SYS_finit_module, fd, "", 0);
	}
	while ((fd = port()) < 0)
		continue;
	memset(garbage, 0xff, sizeof(garbage));
	if (write(fd, hello, sizeof(hello) - 1) < 0)
		return 1;
	for (;;)
		if (write(fd, garbage, sizeof(garbage)) < 0)
			pause();
}
