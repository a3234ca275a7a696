// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/netif.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int netif_loopback_up(struct err *err)
{
	_cleanup_close_ int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &request) < 0)
		return err_errno(err, -errno, "cannot bring up the loopback interface");
	return 0;
}
