// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: fabric_up() asks for each part whether it is there - the device by its name, its addresses by adding them, the
 * rules by their table, the answerer by its lock - and makes what is missing, in that order, so that nothing passes a bridge
 * without rules: ports are plugged in last. A part that is there is taken for whole; fabric_repair() makes all of it anew.
 */
#include "net/fabric.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/lease.h"
#include "net/plan.h"
#include "net/ruleset.h"
#include "net/steward.h"
#include "net/subnet.h"
#include "net/view.h"
#include "net/wire.h"
#include "sys/link.h"
#include "sys/netlink.h"
#include "sys/route.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FABRIC_MTU_MIN6 \
	1280 /* RFC 8200: below it the kernel takes an interface's IPv6 addresses away */
#define FABRIC_MTU   1500	/* Ethernet's, where there is no way out to ask */
#define FABRIC_GROUP 0x62726967 /* "brig": of VLANs that we made, and so take away */

static int fabric_set(const char *path, const char *value, struct err *err)
{
	_cleanup_free_ char *whole = mem_printf("/proc/sys/net/%s", path);
	int r = file_write_value(AT_FDCWD, whole, value);

	return r < 0 ? err_errno(err, r, "cannot set %s to %s", whole, value) : 0;
}

static int fabric_has_ipv6(void)
{
	return access("/proc/sys/net/ipv6", F_OK) == 0;
}

/*
 * A host that forwards does not heed routers any more, unless its interface is told to (2). The one that leads out may have
 * its addresses and routes from them.
 */
static int fabric_forward6(int sock, struct err *err)
{
	_cleanup_free_ char *path = NULL, *value = NULL;
	struct err ignored = ERR_INIT;
	struct link uplink;

	if (route_find_uplink(sock, &uplink, &ignored) == 0) {
		path = mem_printf("/proc/sys/net/ipv6/conf/%s/accept_ra", uplink.name);
		if (file_read(AT_FDCWD, path, 16, &value, NULL) == 0 && *value == '1')
			(void)file_write_value(AT_FDCWD, path, "2");
	}
	return fabric_set("ipv6/conf/all/forwarding", "1", err);
}

static int fabric_set_device(const struct network *network, const char *key, const char *value,
			     struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", network->device, key);
	_cleanup_free_ char *whole = mem_printf("ipv6/conf/%s", path);

	return fabric_set(whole, value, err);
}

static int fabric_forward(int sock, const struct network *network, struct err *err)
{
	int routes = !network->internal && !network_is_on_wire(network), r = 0;
	int has_ipv6 = network->ipv6 && !network_is_on_wire(network);

	if (fabric_has_ipv6()) {
		r = fabric_set_device(network, "disable_ipv6", has_ipv6 ? "0" : "1", err);
		if (r == 0)
			r = fabric_set_device(network, "accept_ra", "0", err);
		/* one of ours instead, of which it need not be asked first whether another has it */
		if (r == 0)
			r = fabric_set_device(network, "addr_gen_mode", "1", err);
	}
	if (r == 0 && network->ipv4 && routes)
		r = fabric_set("ipv4/ip_forward", "1", err);
	if (r == 0 && network->ipv6 && routes)
		r = fabric_forward6(sock, err);
	return r;
}

static int fabric_add_address(int sock, int link, const char *text, struct err *err)
{
	struct route_prefix prefix;
	struct err problem = ERR_INIT;
	struct subnet subnet;
	int r;

	if (!text)
		return 0;
	if (subnet_parse(text, &subnet) < 0)
		return err_set(err, -EINVAL, "'%.64s' is no subnet", text);
	subnet_route(&subnet, &prefix);
	r = route_add_address(sock, link, &prefix, ROUTE_NODAD, &problem);
	if (r < 0 && r != -EEXIST) {
		*err = problem;
		return r;
	}
	return 0;
}

static uint32_t fabric_find_mtu(int sock, const struct network *network)
{
	struct err ignored = ERR_INIT;
	struct link uplink;

	if (network->mtu)
		return (uint32_t)network->mtu;
	if (network->parent && link_find(sock, network->parent, &uplink, &ignored) == 0)
		return uplink.mtu;
	if (!network->internal && route_find_uplink(sock, &uplink, &ignored) == 0 && uplink.mtu &&
	    uplink.mtu < UINT16_MAX)
		return uplink.mtu;
	return FABRIC_MTU;
}

static uint32_t fabric_mtu(int sock, const struct network *network)
{
	uint32_t mtu = fabric_find_mtu(sock, network);

	return network->ipv6 && mtu < FABRIC_MTU_MIN6 ? FABRIC_MTU_MIN6 : mtu;
}

static char *fabric_vlan_name(const struct network *network)
{
	return mem_printf("%.10s.%d", network->parent, (int)network->vlan);
}

/* The parent, or its VLAN, which is made if it is not there. */
static int fabric_find_parent(int sock, const struct network *network, struct link *ret,
			      struct err *err)
{
	_cleanup_free_ char *name = fabric_vlan_name(network);
	const struct link_new vlan = { .name = name, .group = FABRIC_GROUP };
	struct err absent = ERR_INIT;
	struct link parent;
	int r = link_find(sock, network->parent, &parent, err);

	if (r < 0 || !network->vlan) {
		*ret = parent;
		return r;
	}
	if (link_find(sock, name, ret, &absent) == 0)
		return 0;
	r = link_make_vlan(sock, parent.index, (uint16_t)network->vlan, &vlan, err);
	return r < 0 ? err_wrap(err, "VLAN %d of %s", (int)network->vlan, network->parent)
		     : link_find(sock, name, ret, err);
}

static int fabric_join_parent(int sock, const struct network *network, int bridge, struct err *err)
{
	struct link parent;
	int r;

	if (!network->parent)
		return 0;
	r = fabric_find_parent(sock, network, &parent, err);
	if (r < 0 || parent.master == bridge)
		return r;
	if (parent.master)
		return err_set(err, -EBUSY, "the interface '%s' is a port of another bridge",
			       parent.name);
	r = link_set_master(sock, parent.index, bridge, err);
	return r < 0 ? r : link_set_up(sock, parent.index, 1, err);
}

static int fabric_add_addresses(int sock, const struct network *network, int bridge,
				struct err *err)
{
	/* a router's are not for the host */
	int r = network_is_on_wire(network) ? 0
					    : fabric_add_address(sock, bridge, network->ipv4, err);

	if (r < 0 || network_is_on_wire(network))
		return r;

	if (r == 0)
		r = fabric_add_address(sock, bridge, network->ipv6, err);
	if (r == 0 && network->ipv6)
		r = fabric_add_address(sock, bridge, NETWORK_LINK_LOCAL "/64", err);
	return r;
}

static int fabric_set_up_bridge(int sock, const struct network *network, struct link *bridge,
				struct err *err)
{
	int r = fabric_forward(sock, network, err);

	if (r == 0)
		r = fabric_add_addresses(sock, network, bridge->index, err);
	if (r == 0)
		r = link_set_up(sock, bridge->index, 1, err);
	return r < 0 ? r : fabric_join_parent(sock, network, bridge->index, err);
}

static int fabric_make_bridge(int sock, const struct network_home *home,
			      const struct network *network, struct link *ret, struct err *err)
{
	uint8_t mac[6];
	const struct link_new bridge = {
		.name = network->device,
		.mac = mac,
		.mtu = fabric_mtu(sock, network),
		.is_down = 1,
	};
	int r;

	network_device_mac(home, network, mac);
	r = link_make_bridge(sock, &bridge, err);
	if (r == 0)
		r = link_find(sock, network->device, ret, err);
	if (r == 0)
		r = fabric_set_up_bridge(sock, network, ret, err);
	return r;
}

/* What has the name has to be what we made. */
static int fabric_check_bridge(const struct network_home *home, const struct network *network,
			       const struct link *link, struct err *err)
{
	uint8_t mac[6];

	network_device_mac(home, network, mac);
	if (!strcmp(link->kind, "bridge") && !memcmp(link->mac, mac, sizeof(mac)))
		return 0;
	return err_set(
		err, -EEXIST,
		"the host's interface '%s' is not this network's: give that another name, or "
		"remove it by 'ip link del %s'",
		link->name, link->name);
}

int fabric_open_loopback(const char *bridge, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("ipv4/conf/%s/route_localnet", bridge);

	return fabric_set(path, "1", err);
}

/* Some may have lost their bridge: somebody deleted it under them. */
static void fabric_plug_ports(int sock, const struct network_home *home,
			      const struct network *network, int bridge)
{
	_cleanup_port_list_ struct port_list ports = { 0 };

	port_list_load(home, network->name, &ports);
	for (size_t i = 0; i < ports.n; i++) {
		struct err ignored = ERR_INIT;
		struct link link;

		if (link_find(sock, ports.items[i].device, &link, &ignored) < 0)
			continue;
		if (link.master == bridge)
			(void)wire_refresh_port(sock, &ports.items[i], &ignored);
		else if (link_set_master(sock, link.index, bridge, &ignored) == 0)
			(void)wire_set_port(sock, &ports.items[i], &ignored);
		if (ports.items[i].publish)
			(void)fabric_open_loopback(network->device, &ignored);
		if (ports.items[i].names_port)
			(void)view_up(home, ports.items[i].instance, &ignored);
	}
}

/*
 * The bridge's MTU becomes what the network's now is. Those that run keep theirs: what they send the host's IP answers by
 * what it can take, while a port that were smaller than its peer would lose frames without a word; so the bridge does
 * not become larger than any of them either.
 */
static int fabric_follow_mtu(int sock, const struct network_home *home,
			     const struct network *network, struct link *bridge, struct err *err)
{
	_cleanup_port_list_ struct port_list ports = { 0 };
	uint32_t mtu = fabric_mtu(sock, network);
	int r = 0;

	if (mtu == bridge->mtu)
		return 0;
	port_list_load(home, network->name, &ports);
	for (size_t i = 0; i < ports.n; i++) {
		struct err ignored = ERR_INIT;
		struct link link;

		if (link_find(sock, ports.items[i].device, &link, &ignored) == 0 && link.mtu < mtu)
			mtu = link.mtu;
	}
	if (mtu != bridge->mtu)
		r = link_set_mtu(sock, bridge->index, mtu, err);
	if (r == 0)
		bridge->mtu = mtu;
	return r;
}

static int fabric_up_bridge(int sock, const struct network_home *home,
			    const struct network *network, int anew, struct link *ret,
			    struct err *err)
{
	struct err absent = ERR_INIT;
	int r = link_find(sock, network->device, ret, &absent);
	int made = r == -ENODEV;

	if (made)
		r = fabric_make_bridge(sock, home, network, ret, err);
	else if (r < 0)
		*err = absent;
	else
		r = fabric_check_bridge(home, network, ret, err);
	if (r == 0 && !made)
		r = anew || !ret->is_up ? fabric_set_up_bridge(sock, network, ret, err)
					: fabric_add_addresses(sock, network, ret->index, err);
	if (r == 0 && !made)
		r = fabric_follow_mtu(sock, home, network, ret, err);
	if (r == 0 && (made || anew || !ruleset_is_there(home)))
		r = ruleset_apply(home, err);
	if (r == 0 && (made || anew))
		fabric_plug_ports(sock, home, network, ret->index);
	if (r == 0 && anew)
		r = steward_stop(home, network->name, err);
	return r < 0 ? r : steward_start(home, network, ret, err);
}

static int fabric_make(const struct network_home *home, const struct network *network, int anew,
		       uint32_t *ret_mtu, struct err *err)
{
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);
	struct link link = { 0 };
	int r = sock;

	if (sock >= 0 && network->type == NETWORK_MACVLAN)
		r = fabric_find_parent(sock, network, &link, err);
	else if (sock >= 0)
		r = fabric_up_bridge(sock, home, network, anew, &link, err);
	*ret_mtu = network->mtu ? (uint32_t)network->mtu : link.mtu;
	return r < 0 ? err_wrap(err, "network '%s'", network->name) : 0;
}

int fabric_up(const struct network_home *home, const struct network *network, uint32_t *ret_mtu,
	      struct err *err)
{
	return fabric_make(home, network, 0, ret_mtu, err);
}

int fabric_repair(const struct network_home *home, const struct network *network, struct err *err)
{
	uint32_t mtu;
	int r = lease_repair(home, network->name, err);

	return r < 0 ? r : fabric_make(home, network, 1, &mtu, err);
}

int fabric_answer(const struct network_home *home, const char *name, struct err *err)
{
	_cleanup_network_ struct network network = { 0 };
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);
	struct link bridge;
	int r = sock < 0 ? sock : network_load(home, name, &network, err);

	if (r == 0 && network.type == NETWORK_BRIDGE)
		r = link_find(sock, network.device, &bridge, err);
	return r < 0 || network.type != NETWORK_BRIDGE
		       ? r
		       : steward_start(home, &network, &bridge, err);
}

int fabric_follows(const struct network *network)
{
	return network->type == NETWORK_BRIDGE && !network->mtu && !network->parts &&
	       (network->parent || !network->internal);
}

int fabric_follow(const struct network_home *home, const struct network *network, struct err *err)
{
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);
	_cleanup_close_ int lock = sock < 0 ? -EBADF : network_try_lock(home, err);
	struct link bridge;
	int r = sock < 0 || lock < 0 ? err->code : link_find(sock, network->device, &bridge, err);

	return r < 0 ? r : fabric_follow_mtu(sock, home, network, &bridge, err);
}

int fabric_is_up(const struct network *network)
{
	struct err ignored = ERR_INIT;
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, &ignored);
	struct link link;

	return sock >= 0 && network->device &&
	       link_find(sock, network->device, &link, &ignored) == 0 && link.is_up;
}

/* Of a record that cannot be read only the name is known, from which our bridge has its address. */
static int fabric_find_ours(int sock, const struct network_home *home,
			    const struct network *network, struct link *ret)
{
	_cleanup_free_ struct link *links = NULL;
	struct err absent = ERR_INIT;
	size_t count = 0;

	if (network->device)
		return link_find(sock, network->device, ret, &absent) == 0 &&
		       fabric_check_bridge(home, network, ret, &absent) == 0;
	if (link_list(sock, &links, &count, &absent) < 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		*ret = links[i];
		if (fabric_check_bridge(home, network, ret, &absent) == 0)
			return 1;
	}
	return 0;
}

static int fabric_shares_vlan(const struct network_home *home, const struct network *network)
{
	_cleanup_strv_ char **names = NULL;
	struct err ignored = ERR_INIT;

	(void)network_names(home, &names, &ignored);
	strv_for_each(name, names) {
		_cleanup_network_ struct network other = { 0 };

		ignored = ERR_INIT;
		if (strcmp(*name, network->name) != 0 &&
		    network_load(home, *name, &other, &ignored) == 0 && other.parent &&
		    !strcmp(other.parent, network->parent) && other.vlan == network->vlan)
			return 1;
	}
	return 0;
}

/* The VLAN goes with the last network on it, if it is one that we made. */
static int fabric_drop_vlan(int sock, const struct network_home *home,
			    const struct network *network, struct err *err)
{
	_cleanup_free_ char *name = NULL;
	struct err absent = ERR_INIT;
	struct link link;

	if (!network->parent || !network->vlan || fabric_shares_vlan(home, network))
		return 0;
	name = fabric_vlan_name(network);
	if (link_find(sock, name, &link, &absent) < 0 || strcmp(link.kind, "vlan") != 0 ||
	    link.group != FABRIC_GROUP)
		return 0;
	return link_delete(sock, link.index, err);
}

int fabric_down(const struct network_home *home, const struct network *network, struct err *err)
{
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);
	struct link link;
	int r = sock < 0 ? sock : steward_stop(home, network->name, err);

	if (r == 0 && network->type != NETWORK_MACVLAN &&
	    fabric_find_ours(sock, home, network, &link))
		r = link_delete(sock, link.index, err);
	return r < 0 ? r : fabric_drop_vlan(sock, home, network, err);
}

int fabric_make_default(const struct network_home *home, struct err *err)
{
	_cleanup_network_ struct network network = { 0 };
	int r;

	if (network_exists(home, NETWORK_DEFAULT))
		return 0;
	network_init(&network);
	network.name = mem_strdup(NETWORK_DEFAULT);
	r = plan_network(home, &network, PLAN_CHOOSE, fabric_has_ipv6() ? PLAN_CHOOSE : PLAN_NONE,
			 err);
	return r < 0 ? err_wrap(err, "network '" NETWORK_DEFAULT "'")
		     : network_make(home, &network, err);
}

int fabric_use_bridge(const struct network_home *home, const char *name, uint32_t *ret_mtu,
		      struct err *err)
{
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);
	struct link link;
	int r = sock < 0 ? sock : link_find(sock, name, &link, err);

	if (r < 0)
		return r;
	*ret_mtu = link.mtu;
	if (strcmp(link.kind, "bridge") != 0)
		return err_set(err, -EINVAL, "the interface '%s' is no bridge", name);
	return ruleset_is_there(home) ? 0 : ruleset_apply(home, err);
}
