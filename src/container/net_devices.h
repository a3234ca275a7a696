/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_NET_DEVICES_H
#define CONTAINER_NET_DEVICES_H

#include <net/if.h>
#include <sys/types.h>

#include "base/err.h"
#include "container/config.h"

/*
 * Interfaces of the host's that become the container's: linux.netDevices of config-linux.md, "Network Devices". They
 * are the container's network namespace's from then on: at its end the kernel gives back those that are hardware, and
 * removes the others. Only a container that could not be created gives all of them back.
 */
struct net_devices {
	int namespace;
	struct {
		char outside[IFNAMSIZ], inside[IFNAMSIZ];
	} * list;
	size_t n;
};
#define NET_DEVICES_INIT ((struct net_devices){ .namespace = -EBADF })

/* Names that cannot be, or that two want to have. Errors name the member, here and below. */
int net_devices_check(const struct config_net_device *devices, size_t n, struct err *err);
/* Into the namespace of process pid. Release them in any case. */
int net_devices_move(const struct config_net_device *devices, size_t n, pid_t pid,
		     struct net_devices *ret, struct err *err);
/* Those that have moved go back; what fails is logged as a warning. */
void net_devices_return(struct net_devices *devices);
void net_devices_release(struct net_devices *devices);

#endif
