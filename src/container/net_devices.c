// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/net_devices.h"
#include "base/log.h"
#include "base/mem.h"
#include "sys/netdev.h"

#include <fcntl.h>
#include <string.h>

#define NET_DEVICES_MEMBER "linux.netDevices[\"%.64s\"]"

static const char *net_devices_inside(const struct config_net_device *device)
{
	return device->name_inside && *device->name_inside ? device->name_inside : device->name;
}

/* One "%d" is for a number. */
static int net_devices_name_is_valid(const char *name)
{
	const char *percent = strchr(name, '%');

	return netdev_name_is_valid(name) &&
	       (!percent || (percent[1] == 'd' && !strchr(percent + 1, '%')));
}

int net_devices_check(const struct config_net_device *devices, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const char *inside = net_devices_inside(&devices[i]);

		if (!netdev_name_is_valid(devices[i].name))
			return err_set(err, -EINVAL,
				       NET_DEVICES_MEMBER ": no interface can have that name",
				       devices[i].name);
		if (!net_devices_name_is_valid(inside))
			return err_set(err, -EINVAL,
				       NET_DEVICES_MEMBER
				       ".name: no interface can have the name '%.64s'",
				       devices[i].name, inside);
		for (size_t j = 0; j < i; j++) {
			if (!strchr(inside, '%') &&
			    !strcmp(inside, net_devices_inside(&devices[j])))
				return err_set(err, -EINVAL,
					       NET_DEVICES_MEMBER ".name: '%s' is another's, too",
					       devices[i].name, inside);
		}
	}
	return 0;
}

int net_devices_move(const struct config_net_device *devices, size_t n, pid_t pid,
		     struct net_devices *ret, struct err *err)
{
	char path[64];

	*ret = NET_DEVICES_INIT;
	if (!n)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	ret->namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (ret->namespace < 0)
		return err_errno(err, -errno, "cannot open the container's network namespace");
	ret->list = mem_zalloc(n * sizeof(*ret->list));
	for (size_t i = 0; i < n; i++) {
		if (netdev_move(-EBADF, devices[i].name, ret->namespace,
				net_devices_inside(&devices[i]), ret->list[i].inside, err) < 0)
			return err_wrap(err, NET_DEVICES_MEMBER, devices[i].name);
		snprintf(ret->list[i].outside, sizeof(ret->list[i].outside), "%s", devices[i].name);
		ret->n = i + 1;
	}
	return 0;
}

void net_devices_return(struct net_devices *devices)
{
	for (; devices->n; devices->n--) {
		char *outside = devices->list[devices->n - 1].outside;
		char *inside = devices->list[devices->n - 1].inside, name[IFNAMSIZ];
		struct err err = ERR_INIT;

		if (netdev_move(devices->namespace, inside, -EBADF, outside, name, &err) < 0)
			log_notice("the interface %s is lost: %s", outside, err.msg);
	}
}

void net_devices_release(struct net_devices *devices)
{
	devices->namespace = fd_close(devices->namespace);
	free(devices->list);
	devices->list = NULL;
	devices->n = 0;
}
