// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/wire.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/subnet.h"
#include "proto/announce.h"
#include "sys/link.h"
#include "sys/netlink.h"
#include "sys/netns.h"
#include "sys/rate.h"
#include "sys/route.h"
#include "sys/tap.h"
#include "sys/vhost.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Among the host's links: the bridge, or the interface below a macvlan. */
static int wire_find_host(int sock, const struct wire_way *way, int *ret_index, struct err *err)
{
	struct link link = { 0 };
	int r = link_find(sock, way->parent ? way->parent : way->port->bridge, &link, err);

	*ret_index = link.index;
	return r;
}

static int wire_is_on(const char *path)
{
	_cleanup_free_ char *value = NULL;

	return file_read(AT_FDCWD, path, 16, &value, NULL) == 0 && *value && *value != '0';
}

static int wire_is_filtered(void)
{
	return wire_is_on("/proc/sys/net/bridge/bridge-nf-call-iptables") ||
	       wire_is_on("/proc/sys/net/bridge/bridge-nf-call-ip6tables");
}

static unsigned int wire_port_flags(const struct port *port)
{
	return (port->trusted ? LINK_PORT_LEARNING : 0) | LINK_PORT_BPDU_GUARD |
	       LINK_PORT_ROOT_BLOCK | (port->isolated ? LINK_PORT_ISOLATED : 0) |
	       (port->publish && wire_is_filtered() ? LINK_PORT_HAIRPIN : 0);
}

/* What goes out of the host's end comes in to the instance, and the other way round. */
static int wire_set_rate(int sock, int link, const struct port *port, struct err *err)
{
	int r;

	if (!port->rate)
		return 0;
	r = rate_limit_out(sock, link, (uint64_t)port->rate, err);
	return r < 0 ? r : rate_limit_in(sock, link, (uint64_t)port->rate, err);
}

/*
 * A bridge would learn from frames that it keeps to itself, which no rule looks at, and so send another's to the port: who is
 * behind it is said once instead.
 */
static int wire_set_station(int sock, int link, const struct port *port, struct err *err)
{
	uint8_t mac[6];

	if (port->trusted || nic_parse_mac(port->mac, mac) < 0)
		return 0;
	return link_add_station(sock, link, mac, err);
}

int wire_refresh_port(int sock, const struct port *port, struct err *err)
{
	struct link link;
	int r = link_find(sock, port->device, &link, err);

	return r < 0 ? r : link_set_port(sock, link.index, wire_port_flags(port), err);
}

int wire_limit_port(int sock, const struct port *port, struct err *err)
{
	struct link link;
	int r = link_find(sock, port->device, &link, err);

	if (r == 0)
		r = rate_limit_out(sock, link.index, (uint64_t)port->rate, err);
	return r < 0 ? r : rate_limit_in(sock, link.index, (uint64_t)port->rate, err);
}

int wire_set_port(int sock, const struct port *port, struct err *err)
{
	struct link link;
	int r = link_find(sock, port->device, &link, err);

	if (r == 0)
		r = link_set_port(sock, link.index, wire_port_flags(port), err);
	if (r == 0)
		r = wire_set_station(sock, link.index, port, err);
	return r < 0 ? r : wire_set_rate(sock, link.index, port, err);
}

static int wire_make_veth(int sock, const struct wire_way *way, int bridge, int netns,
			  struct err *err)
{
	const struct link_new host = { .name = way->port->device,
				       .mtu = way->setup->mtu,
				       .master = bridge };
	const struct link_new peer = { .name = way->setup->name,
				       .mac = way->setup->mac,
				       .mtu = way->setup->mtu,
				       .is_down = 1,
				       .netns = netns };
	struct err first = ERR_INIT;
	int r = link_make_veth(sock, &host, &peer, &first);

	if (r == -EEXIST) {
		first = ERR_INIT;
		r = wire_remove(way->port->device, &first);
		if (r == 0)
			r = link_make_veth(sock, &host, &peer, &first);
	}
	if (r < 0) {
		*err = first;
		return r;
	}
	return wire_set_port(sock, way->port, err);
}

static int wire_make_macvlan(int sock, const struct wire_way *way, int parent, int netns,
			     struct err *err)
{
	const struct link_new inside = { .name = way->setup->name,
					 .mac = way->setup->mac,
					 .mtu = way->setup->mtu,
					 .is_down = 1,
					 .netns = netns };

	return link_make_macvlan(sock, parent, &inside, err);
}

static int wire_add_address(int sock, int link, int family, const void *address,
			    unsigned int prefix, struct err *err)
{
	struct route_prefix to = { .family = family, .length = prefix };

	memcpy(family == AF_INET ? (void *)&to.ip : (void *)&to.ip6, address,
	       family == AF_INET ? sizeof(to.ip) : sizeof(to.ip6));
	return route_add_address(sock, link, &to, ROUTE_NODAD, err);
}

/* The router's own advertisement may have been quicker, as soon as the interface was up. */
static int wire_add_gateway(int sock, int link, int family, const void *gateway, struct err *err)
{
	struct route_prefix all = { .family = family };
	struct route_prefix via = { .family = family, .length = family == AF_INET ? 32 : 128 };
	struct err problem = ERR_INIT;
	int r;

	memcpy(family == AF_INET ? (void *)&via.ip : (void *)&via.ip6, gateway,
	       family == AF_INET ? sizeof(via.ip) : sizeof(via.ip6));
	r = route_add(sock, link, &all, &via, &problem);
	if (r == -EEXIST && family == AF_INET6)
		return 0;
	if (r < 0)
		*err = problem;
	return r;
}

/* Addresses come before it is up and routes after, as the kernel wants it. */
static int wire_set_up_inside(int sock, const struct nic_setup *setup, struct err *err)
{
	struct link link;
	int r = link_find(sock, setup->name, &link, err);

	if (r == 0 && setup->ip.s_addr)
		r = wire_add_address(sock, link.index, AF_INET, &setup->ip, setup->prefix, err);
	if (r == 0 && !IN6_IS_ADDR_UNSPECIFIED(&setup->ip6))
		r = wire_add_address(sock, link.index, AF_INET6, &setup->ip6, setup->prefix6, err);
	if (r == 0)
		r = link_set_up(sock, link.index, 1, err);
	if (r == 0 && setup->via.s_addr)
		r = wire_add_gateway(sock, link.index, AF_INET, &setup->via, err);
	if (r == 0 && !IN6_IS_ADDR_UNSPECIFIED(&setup->via6))
		r = wire_add_gateway(sock, link.index, AF_INET6, &setup->via6, err);
	return r;
}

/* Neighbours may remember another who had the address. */
static void wire_announce(int sock, int netns, const struct nic_setup *setup)
{
	struct err ignored = ERR_INIT;
	_cleanup_close_ int inside = netns_socket(netns, AF_PACKET, SOCK_RAW, 0, &ignored);
	struct link link;

	if (inside >= 0 && link_find(sock, setup->name, &link, &ignored) == 0)
		announce_send(inside, link.index, setup);
}

int wire_container(const struct wire_way *way, pid_t pid, struct err *err)
{
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);
	_cleanup_close_ int netns = -EBADF, inside = -EBADF;
	struct err ignored = ERR_INIT;
	char path[64];
	int host = 0, r;

	if (sock < 0)
		return sock;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return err_errno(err, -errno, "cannot open the container's network namespace");
	inside = netlink_open(NETLINK_ROUTE, netns, err);
	r = inside < 0 ? inside : wire_find_host(sock, way, &host, err);
	if (r == 0)
		r = way->parent ? wire_make_macvlan(sock, way, host, netns, err)
				: wire_make_veth(sock, way, host, netns, err);
	if (r == 0)
		r = wire_set_up_inside(inside, way->setup, err);
	/* its first packets would be lost else; they are sent again, should this fail */
	if (r == 0 && !way->parent)
		(void)link_settle(way->port->device, &ignored);
	if (r == 0)
		wire_announce(inside, netns, way->setup);
	return r < 0 ? err_wrap(err, "interface %s", way->setup->name) : 0;
}

void wire_taps_release(struct wire_taps *taps)
{
	for (unsigned int i = 0; i < taps->n; i++)
		fd_close(taps->fds[i]);
	*taps = WIRE_TAPS_INIT;
}

static int wire_open_queues(const struct wire_way *way, unsigned int n, struct wire_taps *taps,
			    struct err *err)
{
	struct err first = ERR_INIT;
	int r = tap_make(way->port->device, taps->fds, n, NULL, &first);

	/* of a run before, whose machine is just going */
	if (r == -EBUSY) {
		first = ERR_INIT;
		r = wire_remove(way->port->device, &first);
		if (r == 0)
			r = tap_make(way->port->device, taps->fds, n, NULL, &first);
	}
	if (r < 0) {
		*err = first;
		return r;
	}
	taps->n = n;
	return 0;
}

/* Without it packets go through the VMM, which is slower and nothing else. */
static int wire_has_vhost(void)
{
	_cleanup_close_ int fd = vhost_net_open();

	return fd >= 0;
}

static int wire_plug_tap(const struct wire_way *way, struct err *err)
{
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);
	struct err ignored = ERR_INIT;
	struct link tap = { 0 };
	int host = 0, r = sock < 0 ? sock : wire_find_host(sock, way, &host, err);

	if (r == 0)
		r = link_find(sock, way->port->device, &tap, err);
	if (r == 0 && way->setup->mtu)
		r = link_set_mtu(sock, tap.index, way->setup->mtu, err);
	if (r == 0)
		r = link_set_master(sock, tap.index, host, err);
	if (r == 0)
		r = wire_set_port(sock, way->port, err);
	if (r == 0)
		r = link_set_up(sock, tap.index, 1, err);
	if (r == 0)
		(void)link_settle(tap.name, &ignored);
	return r;
}

int wire_vm(const struct wire_way *way, unsigned int cpus, struct wire_taps *ret, struct err *err)
{
	unsigned int n = cpus < WIRE_QUEUES_MAX ? cpus : WIRE_QUEUES_MAX;
	struct wire_taps taps = WIRE_TAPS_INIT;
	int r;

	if (way->parent)
		return err_set(err, -EOPNOTSUPP,
			       "a VM cannot be on a macvlan network; use one with a bridge: 'brig "
			       "network create --parent %s NAME'",
			       way->parent);
	r = wire_open_queues(way, n ? n : 1, &taps, err);
	if (r == 0)
		r = wire_plug_tap(way, err);
	if (r < 0) {
		wire_taps_release(&taps);
		return r;
	}
	taps.vhost = wire_has_vhost();
	*ret = taps;
	return 0;
}

static int wire_take_down(int sock, int index, struct err *err)
{
	return link_set_up(sock, index, 0, err);
}

/* One that is gone is fine. */
static int wire_end(const char *device, int (*end)(int sock, int index, struct err *err),
		    int *ret_index, struct err *err)
{
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);
	struct err last = ERR_INIT;
	struct link link;
	int r;

	*ret_index = 0;
	if (sock < 0)
		return sock;
	r = link_find(sock, device, &link, &last);
	if (r == 0)
		r = end(sock, link.index, &last);
	if (r == 0)
		*ret_index = link.index;
	if (r == 0 || r == -ENODEV)
		return 0;
	*err = last;
	return r;
}

int wire_unplug(const char *device, int *ret_index, struct err *err)
{
	return wire_end(device, wire_take_down, ret_index, err);
}

int wire_remove(const char *device, struct err *err)
{
	int index;

	return wire_end(device, link_delete, &index, err);
}

void wire_sweep(int index)
{
	struct err ignored = ERR_INIT;
	_cleanup_close_ int sock = index ? netlink_open(NETLINK_ROUTE, -EBADF, &ignored) : -EBADF;

	if (sock >= 0)
		(void)link_delete(sock, index, &ignored);
}
