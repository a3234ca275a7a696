// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/vm_net.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "sys/ingress.h"
#include "sys/netlink.h"
#include "sys/tap.h"
#include "sys/vhost.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/stat.h>

#define NET_TAP	       "brig%d"
#define NET_RECORD_MAX 4096

static int net_is_link_local(const struct route_prefix *prefix)
{
	return prefix->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&prefix->ip6);
}

static struct nic_prefix net_prefix(const struct route_prefix *prefix)
{
	struct nic_prefix ret = { .family = prefix->family, .length = prefix->length };

	if (prefix->family == AF_INET6)
		ret.ip6 = prefix->ip6;
	else
		ret.ip = prefix->ip;
	return ret;
}

/* The first of each family are the interface's own. */
static int net_add_address(struct nic_setup *setup, const struct route_prefix *address)
{
	if (address->family == AF_INET && !setup->ip.s_addr) {
		setup->ip = address->ip;
		setup->prefix = address->length;
	} else if (address->family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&setup->ip6)) {
		setup->ip6 = address->ip6;
		setup->prefix6 = address->length;
	} else if (setup->n_also < NIC_ALSO_MAX) {
		setup->also[setup->n_also++] = net_prefix(address);
	} else {
		return -E2BIG;
	}
	return 0;
}

/* Whether an address brings that route along. */
static int net_is_of(const struct route_prefix *to, const struct route_prefix *address)
{
	const uint8_t *a = (const uint8_t *)&to->ip, *b = (const uint8_t *)&address->ip;
	unsigned int whole = to->length / 8, rest = to->length % 8;

	if (to->family != address->family || to->length != address->length ||
	    memcmp(a, b, whole) != 0)
		return 0;
	return !rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

/* What the guest's kernel makes by itself, or hears of from a router as this one did. */
static int net_comes_by_itself(const struct route *route, const struct vm_net_tables *tables)
{
	if (route->protocol == RTPROT_RA)
		return 1;
	if (route->protocol != RTPROT_KERNEL)
		return 0;
	for (size_t i = 0; i < tables->n_addresses; i++) {
		if (tables->addresses[i].link == route->link &&
		    net_is_of(&route->to, &tables->addresses[i].prefix))
			return 1;
	}
	return net_is_link_local(&route->to) ||
	       (route->to.family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&route->to.ip6));
}

static int net_add_route(struct nic_setup *setup, const struct route *route, struct err *err)
{
	struct nic_route *place = &setup->routes[setup->n_routes];

	if (setup->n_routes == NIC_ROUTES_MAX)
		return err_set(err, -E2BIG,
			       "linux.namespaces: the interface %s has more than %d routes, the "
			       "most that a VM can be told of",
			       setup->name, NIC_ROUTES_MAX);
	if (route->via.family && route->via.family != route->to.family)
		return err_set(
			err, -EOPNOTSUPP,
			"linux.namespaces: the interface %s has a route of IPv4 by a gateway "
			"of IPv6, which a VM cannot be told of",
			setup->name);
	*place = (struct nic_route){ .to = net_prefix(&route->to), .metric = route->metric };
	if (route->via.family)
		place->via = net_prefix(&route->via);
	setup->n_routes++;
	return 0;
}

static int net_describe_routes(const struct link *link, const struct vm_net_tables *tables,
			       struct nic_setup *setup, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < tables->n_routes; i++) {
		const struct route *route = &tables->routes[i];

		if (route->link == link->index && !net_comes_by_itself(route, tables))
			r = net_add_route(setup, route, err);
	}
	for (size_t i = 0; r == 0 && i < tables->n_neighbours; i++) {
		const struct route_neighbour *neighbour = &tables->neighbours[i];
		struct nic_near *place = &setup->near[setup->n_near];

		if (neighbour->link != link->index)
			continue;
		if (setup->n_near == NIC_NEAR_MAX)
			return err_set(err, -E2BIG,
				       "linux.namespaces: the interface %s has more than %d "
				       "neighbours that are set, the most that a VM can be told of",
				       link->name, NIC_NEAR_MAX);
		place->ip = net_prefix(&neighbour->ip);
		memcpy(place->mac, neighbour->mac, sizeof(place->mac));
		setup->n_near++;
	}
	return r;
}

static int net_check_kind(const struct link *link, struct err *err)
{
	if (!nic_name_is_valid(link->name))
		return err_set(err, -EOPNOTSUPP,
			       "linux.namespaces: the network has the interface '%s', and a VM can "
			       "have one of letters, digits, '.', '_' and '-' alone",
			       link->name);
	if (!strcmp(link->kind, "veth"))
		return 0;
	if (!strcmp(link->kind, "tun") && !strncmp(link->name, "brig", 4))
		return err_set(err, -EBUSY,
			       "linux.namespaces: the network has the interface %s: another VM is "
			       "in it, and there can be one alone",
			       link->name);
	return err_set(
		err, -EOPNOTSUPP,
		"linux.namespaces: the network has the interface %s, %s%s, and a VM can take "
		"over a veth alone (podman: a network of the driver bridge, or --network "
		"none)",
		link->name, *link->kind ? "of the kind " : "a device of the host's", link->kind);
}

int vm_net_describe(const struct link *link, const struct vm_net_tables *tables,
		    struct nic_setup *ret, struct err *err)
{
	int r = net_check_kind(link, err);

	if (r < 0)
		return r;
	*ret = (struct nic_setup){ .mtu = link->mtu > UINT16_MAX ? 0 : (uint16_t)link->mtu };
	snprintf(ret->name, sizeof(ret->name), "%s", link->name);
	memcpy(ret->mac, link->mac, sizeof(ret->mac));
	for (size_t i = 0; r == 0 && i < tables->n_addresses; i++) {
		const struct route_address *address = &tables->addresses[i];

		if (address->link == link->index && !net_is_link_local(&address->prefix))
			r = net_add_address(ret, &address->prefix);
	}
	if (r < 0)
		return err_set(err, r,
			       "linux.namespaces: the interface %s has more than %d addresses, the "
			       "most that a VM can be told of",
			       link->name, NIC_ALSO_MAX + 1);
	return net_describe_routes(link, tables, ret, err);
}

/* The taps, and the way to them. */

static int net_open_tap(struct vm_net *net, unsigned int queues, struct link *ret, struct err *err)
{
	char name[IFNAMSIZ];
	int r = tap_make(NET_TAP, net->cards[net->n].queues, queues, name, err);

	if (r < 0)
		return r;
	net->nics[net->n].queues = queues;
	return link_find(net->sock, name, ret, err);
}

/* It is a wire: a stack that has words of its own there is not to be. A kernel without IPv6 is fine. */
static void net_silence(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	(void)file_write_value(AT_FDCWD, path, "1");
}

/*
 * The namespace, and the interfaces up to this one, before it is touched: for who comes after a holder that was killed.
 * A namespace without a path is nobody's but ours.
 */
static int net_note(const struct vm_net *net, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct stat status;
	int r;

	if (!net->path)
		return 0;
	if (stat("/proc/thread-self/ns/net", &status) < 0)
		return err_errno(err, -errno, "cannot look at the network namespace");
	buf_printf(&text, "%s\n%ju\n", net->path, (uintmax_t)status.st_ino);
	for (size_t i = 0; i <= net->n; i++)
		buf_printf(&text, "%d\n", net->cards[i].link);
	r = file_replace(net->folder, VM_NET_RECORD, text.data, text.len, 0600, 0);
	return r < 0 ? err_errno(err, r, "cannot note the network's interfaces") : 0;
}

static int net_connect(struct vm_net *net, const struct link *link, const struct link *tap,
		       struct err *err)
{
	struct vm_net_card *card = &net->cards[net->n];
	int r = link_set_mtu(net->sock, tap->index, link->mtu, err);

	net_silence(tap->name);
	if (r == 0)
		r = link_set_up(net->sock, tap->index, 1, err);
	if (r == 0)
		r = ingress_redirect(net->sock, tap->index, link->index, &card->holds[1], err);
	if (r == 0 && card->holds[1] < 0)
		r = net_note(net, err);
	if (r == 0)
		r = ingress_redirect(net->sock, link->index, tap->index, &card->holds[0], err);
	return r;
}

static int net_add_card(struct vm_net *net, const struct link *link, unsigned int queues,
			const struct nic_setup *setup, struct err *err)
{
	struct driver_nic *nic = &net->nics[net->n];
	struct link tap = { 0 };
	int r;

	net->cards[net->n] =
		(struct vm_net_card){ .link = link->index, .holds = { -EBADF, -EBADF } };
	*nic = (struct driver_nic){ .mtu = setup->mtu, .taps = net->cards[net->n].queues };
	memcpy(nic->mac, link->mac, sizeof(nic->mac));
	r = net_open_tap(net, queues, &tap, err);
	if (r == 0)
		r = net_connect(net, link, &tap, err);
	net->n++; /* what there is of it is released */
	if (r < 0)
		return err_wrap(err, "the interface %s", link->name);
	strv_add_take(&net->setups, nic_setup_format(setup));
	return 0;
}

static int net_has_vhost(void)
{
	_cleanup_close_ int fd = vhost_net_open();

	return fd >= 0;
}

static void net_tables_release(struct vm_net_tables *tables)
{
	free(tables->addresses);
	free(tables->routes);
	free(tables->neighbours);
}

static int net_read_tables(int sock, struct vm_net_tables *ret, struct err *err)
{
	int r = route_list_addresses(sock, &ret->addresses, &ret->n_addresses, err);

	if (r == 0)
		r = route_list(sock, &ret->routes, &ret->n_routes, err);
	if (r == 0)
		r = route_list_neighbours(sock, &ret->neighbours, &ret->n_neighbours, err);
	return r;
}

/* What is down has no part in a network: a kernel puts some such into every namespace. */
static int net_counts(const struct link *link)
{
	return link->is_up && !link->is_loopback;
}

/* Looked at before anything is made, for it has addresses in common: all or none. */
static int net_describe_all(const struct link *links, size_t n, const struct vm_net_tables *tables,
			    struct nic_setup setups[NIC_MAX], struct err *err)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (!net_counts(&links[i]))
			continue;
		if (count == NIC_MAX)
			return err_set(err, -E2BIG,
				       "linux.namespaces: the network has more than %d interfaces, "
				       "the most that a VM can have",
				       NIC_MAX);
		if (vm_net_describe(&links[i], tables, &setups[count++], err) < 0)
			return err->code;
	}
	return 0;
}

static int net_make_all(struct vm_net *net, const struct link *links, size_t n,
			const struct vm_net_tables *tables, unsigned int cpus, struct err *err)
{
	_cleanup_free_ struct nic_setup *setups = mem_zalloc(NIC_MAX * sizeof(*setups));
	unsigned int queues = cpus > VM_NET_QUEUES ? VM_NET_QUEUES : cpus ? cpus : 1;
	int vhost = net_has_vhost();
	int r = net_describe_all(links, n, tables, setups, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (net_counts(&links[i]))
			r = net_add_card(net, &links[i], queues, &setups[net->n], err);
	}
	for (size_t i = 0; i < net->n; i++)
		net->nics[i].vhost = vhost;
	return r;
}

int vm_net_make(unsigned int cpus, const char *path, int folder, struct vm_net *ret,
		struct err *err)
{
	_cleanup_(net_tables_release) struct vm_net_tables tables = { 0 };
	_cleanup_free_ struct link *links = NULL;
	size_t n = 0;
	int r = ret->sock = netlink_open(NETLINK_ROUTE, -EBADF, err);

	ret->path = path;
	ret->folder = folder;
	if (r >= 0)
		r = link_list(ret->sock, &links, &n, err);
	if (r == 0)
		r = net_read_tables(ret->sock, &tables, err);
	return r < 0 ? r : net_make_all(ret, links, n, &tables, cpus, err);
}

void vm_net_release(struct vm_net *net)
{
	struct err ignored = ERR_INIT;

	for (size_t i = 0; i < net->n; i++) {
		struct vm_net_card *card = &net->cards[i];

		if (card->holds[0] < 0)
			(void)ingress_clear(net->sock, card->link, &ignored);
		fd_close(card->holds[0]);
		fd_close(card->holds[1]);
		for (size_t queue = 0; queue < net->nics[i].queues; queue++)
			fd_close(card->queues[queue]);
	}
	strv_free(net->setups);
	fd_close(net->sock);
	*net = VM_NET_INIT;
}

static void net_clean_links(int netns, char *const *indices)
{
	struct err err = ERR_INIT;
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, netns, &err);
	int r = sock < 0 ? sock : 0;

	for (; r == 0 && *indices; indices++) {
		int64_t index = 0;

		if (**indices && units_parse_int(*indices, 1, INT32_MAX, &index, &err) == 0)
			r = ingress_clear(sock, (int)index, &err);
	}
	if (r < 0)
		log_notice("what the VM had of its network is not removed: %s", err.msg);
}

void vm_net_clean(int dir)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **lines = NULL;
	_cleanup_close_ int netns = -EBADF;
	struct err ignored = ERR_INIT;
	int64_t number = 0;
	struct stat status;

	if (file_read(dir, VM_NET_RECORD, NET_RECORD_MAX, &text, NULL) < 0)
		return;
	lines = strv_split(text, "\n");
	if (strv_len(lines) < 2 || units_parse_int(lines[1], 1, INT64_MAX, &number, &ignored) < 0)
		return;
	/* gone, or another's by now: then what was in it is gone, too */
	netns = open(lines[0], O_RDONLY | O_CLOEXEC);
	if (netns >= 0 && fstat(netns, &status) == 0 && (int64_t)status.st_ino == number)
		net_clean_links(netns, lines + 2);
}
