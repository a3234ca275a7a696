// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/traffic.h"
#include "base/file.h"
#include "sys/link.h"
#include "sys/netlink.h"

#include <unistd.h>

/* What the host's end has sent, the instance has received. */
int traffic_read(const char *device, struct traffic *ret, struct err *err)
{
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);
	struct link link;
	int r = sock < 0 ? sock : link_find(sock, device, &link, err);

	if (r < 0)
		return r;
	*ret = (struct traffic){
		.rx_bytes = link.stats.tx_bytes,
		.rx_packets = link.stats.tx_packets,
		.rx_dropped = link.stats.tx_dropped,
		.tx_bytes = link.stats.rx_bytes,
		.tx_packets = link.stats.rx_packets,
		.tx_dropped = link.stats.rx_dropped,
	};
	return 0;
}
