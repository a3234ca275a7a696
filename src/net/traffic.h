/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_TRAFFIC_H
#define NET_TRAFFIC_H

#include <stdint.h>

#include "base/err.h"

/* What has passed an instance's interface since its start, as the instance sees it. dropped: on the way, by the host. */
struct traffic {
	uint64_t rx_bytes, rx_packets, rx_dropped;
	uint64_t tx_bytes, tx_packets, tx_dropped;
};

/* device: of a port. -ENODEV: it is gone. */
int traffic_read(const char *device, struct traffic *ret, struct err *err);

#endif
