// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/view.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/port.h"
#include "net/steward.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define VIEW_TRIES 16

static char *view_name(const char *instance)
{
	return mem_printf("%c%s", VIEW_MARK, instance);
}

/* The first one is what it is seen as; it has a way out if one of them has. */
static void view_add(struct network *view, const struct network *network, const struct port *port)
{
	if (!view->device) {
		view->device = mem_strdup(network->device);
		view->ipv4 = mem_strdup(network->ipv4);
		view->ipv6 = mem_strdup(network->ipv6);
		view->dns_port = port->names_port;
		view->internal = 1;
	}
	view->internal = view->internal && network->internal;
	strv_add(&view->parts, network->name);
	strv_add(&view->part_devices, network->device);
}

int view_load(const struct network_home *home, const char *name, struct network *ret,
	      struct err *err)
{
	_cleanup_port_list_ struct port_list ports = { 0 };

	*ret = (struct network){ .name = mem_strdup(name), .type = NETWORK_BRIDGE, .dns = 1 };
	port_list_load(home, NULL, &ports);
	for (size_t i = 0; i < ports.n; i++) {
		const struct port *port = &ports.items[i];
		_cleanup_network_ struct network network = { 0 };
		struct err unreadable = ERR_INIT;

		if (port->names_port && port->network && !strcmp(port->instance, name + 1) &&
		    network_load(home, port->network, &network, &unreadable) == 0)
			view_add(ret, &network, port);
	}
	return strv_len(ret->parts) > 1
		       ? 0
		       : err_set(err, -ENOENT, "'%s' is not on several networks", name + 1);
}

/* Of both protocols, and of no address in particular, so that it is free on each. */
static int view_try_port(int type, uint16_t *port)
{
	_cleanup_close_ int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(*port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(*port) };
	socklen_t len = sizeof(in6);
	int r;

	if (fd >= 0) {
		r = bind(fd, (struct sockaddr *)&in6, len);
		if (r == 0)
			r = getsockname(fd, (struct sockaddr *)&in6, &len);
		*port = ntohs(in6.sin6_port);
		return r < 0 ? -errno : 0;
	}
	len = sizeof(in);
	fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	r = fd < 0 ? fd : bind(fd, (struct sockaddr *)&in, len);
	if (r == 0)
		r = getsockname(fd, (struct sockaddr *)&in, &len);
	*port = ntohs(in.sin_port);
	return r < 0 ? -errno : 0;
}

int view_choose_port(uint16_t *ret, struct err *err)
{
	int r = -EADDRINUSE;

	for (int i = 0; i < VIEW_TRIES && r == -EADDRINUSE; i++) {
		*ret = 0;
		r = view_try_port(SOCK_DGRAM, ret);
		if (r == 0)
			r = view_try_port(SOCK_STREAM, ret);
	}
	return r < 0 ? err_errno(err, r, "cannot find a free port for names") : 0;
}

int view_up(const struct network_home *home, const char *instance, struct err *err)
{
	_cleanup_network_ struct network view = { 0 };
	_cleanup_free_ char *name = view_name(instance);
	struct err single = ERR_INIT;
	struct link bridge;

	if (view_load(home, name, &view, &single) < 0)
		return view_down(home, instance, err);
	return steward_find_bridge(&view, &bridge, err) < 0
		       ? err->code
		       : steward_start(home, &view, &bridge, err);
}

int view_open(const struct network_home *home, const char *instance)
{
	_cleanup_free_ char *name = view_name(instance);

	return steward_open(home, name);
}

int view_down(const struct network_home *home, const char *instance, struct err *err)
{
	_cleanup_free_ char *name = view_name(instance);
	_cleanup_free_ char *path = network_run_path(home, name);
	int r = steward_stop(home, name, err);

	if (r == 0)
		(void)file_remove_tree(AT_FDCWD, path);
	return r;
}
