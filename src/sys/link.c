// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/link.h"
#include "base/file.h"
#include "base/mem.h"
#include "sys/netlink.h"

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void link_read_stats(const struct netlink_attribute *attribute, struct link_stats *ret)
{
	struct rtnl_link_stats64 stats = { 0 };

	/* New kernels have more at its end. */
	memcpy(&stats, attribute->data,
	       attribute->len < sizeof(stats) ? attribute->len : sizeof(stats));
	*ret = (struct link_stats){
		.rx_bytes = stats.rx_bytes,
		.rx_packets = stats.rx_packets,
		.rx_errors = stats.rx_errors,
		.rx_dropped = stats.rx_dropped,
		.tx_bytes = stats.tx_bytes,
		.tx_packets = stats.tx_packets,
		.tx_errors = stats.tx_errors,
		.tx_dropped = stats.tx_dropped,
	};
}

static void link_read_kind(const struct netlink_attribute *info, struct link *link)
{
	struct netlink_view view = netlink_nested(info);
	struct netlink_attribute attribute;

	while (netlink_next(&view, &attribute)) {
		if (attribute.type == IFLA_INFO_KIND)
			netlink_get_string(&attribute, link->kind, sizeof(link->kind));
	}
}

static void link_read_attribute(const struct netlink_attribute *attribute, struct link *link)
{
	switch (attribute->type) {
	case IFLA_IFNAME:
		netlink_get_string(attribute, link->name, sizeof(link->name));
		break;
	case IFLA_MTU:
		netlink_get(attribute, &link->mtu, sizeof(link->mtu));
		break;
	case IFLA_GROUP:
		netlink_get(attribute, &link->group, sizeof(link->group));
		break;
	case IFLA_MASTER:
		netlink_get(attribute, &link->master, sizeof(link->master));
		break;
	case IFLA_LINK:
		netlink_get(attribute, &link->peer, sizeof(link->peer));
		break;
	case IFLA_LINK_NETNSID:
		netlink_get(attribute, &link->peer_netns, sizeof(link->peer_netns));
		break;
	case IFLA_ADDRESS:
		netlink_get(attribute, link->mac, sizeof(link->mac));
		break;
	case IFLA_STATS64:
		link_read_stats(attribute, &link->stats);
		break;
	case IFLA_LINKINFO:
		link_read_kind(attribute, link);
		break;
	default:
		break;
	}
}

static int link_read(const struct nlmsghdr *message, struct link *ret)
{
	struct netlink_view view = netlink_attributes(message, sizeof(struct ifinfomsg));
	struct netlink_attribute attribute;
	struct ifinfomsg info;

	if (!netlink_read(message, RTM_NEWLINK, &info, sizeof(info)))
		return 0;
	*ret = (struct link){ .index = info.ifi_index,
			      .is_up = (info.ifi_flags & IFF_UP) != 0,
			      .is_running = (info.ifi_flags & IFF_LOWER_UP) != 0,
			      .is_loopback = (info.ifi_flags & IFF_LOOPBACK) != 0,
			      .peer_netns = -1 };
	while (netlink_next(&view, &attribute))
		link_read_attribute(&attribute, ret);
	return 1;
}

static void link_read_one(void *ctx, const struct nlmsghdr *message)
{
	(void)link_read(message, ctx);
}

/* By its name, or its index. */
static int link_ask(int sock, const char *name, int index, struct link *ret, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	int r;

	*ret = (struct link){ 0 };
	netlink_begin(&request, RTM_GETLINK, NLM_F_ACK, &info, sizeof(info));
	if (name)
		netlink_put_string(&request, IFLA_IFNAME, name);
	r = netlink_ask(sock, &request, link_read_one, ret, err);
	return r == 0 && !ret->index ? err_errno(err, -ENODEV, "the kernel says nothing") : r;
}

int link_find(int sock, const char *name, struct link *ret, struct err *err)
{
	if (link_ask(sock, name, 0, ret, err) == 0)
		return 0;
	if (err->code == -ENODEV)
		return err_set(err, -ENODEV, "there is no interface '%s'", name);
	return err_wrap(err, "cannot look for the interface '%s'", name);
}

int link_get(int sock, int index, struct link *ret, struct err *err)
{
	if (link_ask(sock, NULL, index, ret, err) == 0)
		return 0;
	return err_wrap(err, "cannot look for network interface %d", index);
}

struct link_table {
	struct link *links;
	size_t count;
};

static void link_read_row(void *ctx, const struct nlmsghdr *message)
{
	struct link_table *table = ctx;
	struct link link;

	if (!link_read(message, &link))
		return;
	table->links = mem_realloc(table->links, table->count + 1, sizeof(*table->links));
	table->links[table->count++] = link;
}

int link_list(int sock, struct link **ret, size_t *ret_count, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct link_table table = { 0 };

	netlink_begin(&request, RTM_GETLINK, NLM_F_DUMP, &info, sizeof(info));
	if (netlink_ask(sock, &request, link_read_row, &table, err) < 0)
		return err_wrap(err, "cannot list the network interfaces");
	*ret = table.links;
	*ret_count = table.count;
	return 0;
}

static struct ifinfomsg link_header(const struct link_new *link)
{
	return (struct ifinfomsg){ .ifi_family = AF_UNSPEC,
				   .ifi_flags = link->is_down ? 0 : IFF_UP,
				   .ifi_change = IFF_UP };
}

static void link_put_new(struct netlink_request *request, const struct link_new *link)
{
	netlink_put_string(request, IFLA_IFNAME, link->name);
	if (link->mac)
		netlink_put(request, IFLA_ADDRESS, link->mac, ETH_ALEN);
	if (link->mtu)
		netlink_put_u32(request, IFLA_MTU, link->mtu);
	if (link->group)
		netlink_put_u32(request, IFLA_GROUP, link->group);
	if (link->master)
		netlink_put_u32(request, IFLA_MASTER, (uint32_t)link->master);
	if (link->netns_of)
		netlink_put_u32(request, IFLA_NET_NS_PID, (uint32_t)link->netns_of);
	else if (link->netns > 0)
		netlink_put_u32(request, IFLA_NET_NS_FD, (uint32_t)link->netns);
}

/* A kind's own settings are put between these two. */
struct link_places {
	size_t info, data;
};

static struct link_places link_begin(struct netlink_request *request, const struct link_new *link,
				     int parent, const char *kind)
{
	const struct ifinfomsg header = link_header(link);
	struct link_places places;

	netlink_begin(request, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &header,
		      sizeof(header));
	link_put_new(request, link);
	if (parent)
		netlink_put_u32(request, IFLA_LINK, (uint32_t)parent);
	places.info = netlink_nest(request, IFLA_LINKINFO);
	netlink_put_string(request, IFLA_INFO_KIND, kind);
	places.data = netlink_nest(request, IFLA_INFO_DATA);
	return places;
}

static int link_make(int sock, struct netlink_request *request, struct link_places places,
		     const struct link_new *link, const char *kind, struct err *err)
{
	netlink_end(request, places.data);
	netlink_end(request, places.info);
	if (netlink_ask(sock, request, NULL, NULL, err) < 0)
		return err_wrap(err, "cannot make the %s %s", kind, link->name);
	return 0;
}

int link_make_bridge(int sock, const struct link_new *bridge, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct link_places places = link_begin(&request, bridge, 0, "bridge");

	netlink_put_u32(&request, IFLA_BR_STP_STATE, 0);
	netlink_put_u32(&request, IFLA_BR_FORWARD_DELAY, 0);
	return link_make(sock, &request, places, bridge, "bridge", err);
}

int link_make_veth(int sock, const struct link_new *host, const struct link_new *peer,
		   struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct link_places places = link_begin(&request, host, 0, "veth");
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	size_t place = netlink_nest(&request, VETH_INFO_PEER);

	netlink_put_header(&request, &header, sizeof(header));
	link_put_new(&request, peer);
	netlink_end(&request, place);
	return link_make(sock, &request, places, host, "veth pair", err);
}

int link_make_macvlan(int sock, int parent, const struct link_new *macvlan, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct link_places places = link_begin(&request, macvlan, parent, "macvlan");

	netlink_put_u32(&request, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
	return link_make(sock, &request, places, macvlan, "macvlan", err);
}

int link_make_vlan(int sock, int parent, uint16_t id, const struct link_new *vlan, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct link_places places = link_begin(&request, vlan, parent, "vlan");

	netlink_put_u16(&request, IFLA_VLAN_ID, id);
	return link_make(sock, &request, places, vlan, "VLAN", err);
}

/* A request about one that is there. */
static void link_begin_change(struct netlink_request *request, uint16_t type, int index,
			      unsigned int flags, unsigned int change)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC,
					.ifi_index = index,
					.ifi_flags = flags,
					.ifi_change = change };

	netlink_begin(request, type, NLM_F_ACK, &info, sizeof(info));
}

int link_delete(int sock, int index, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	link_begin_change(&request, RTM_DELLINK, index, 0, 0);
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return err_wrap(err, "cannot delete a network interface");
	return 0;
}

int link_set_up(int sock, int index, int is_up, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	link_begin_change(&request, RTM_NEWLINK, index, is_up ? IFF_UP : 0, IFF_UP);
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return err_wrap(err, "cannot set a network interface %s", is_up ? "up" : "down");
	return 0;
}

int link_set_mtu(int sock, int index, uint32_t mtu, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	link_begin_change(&request, RTM_NEWLINK, index, 0, 0);
	netlink_put_u32(&request, IFLA_MTU, mtu);
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return err_wrap(err, "cannot set a network interface's MTU to %u", mtu);
	return 0;
}

int link_set_master(int sock, int index, int master, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	link_begin_change(&request, RTM_NEWLINK, index, 0, 0);
	netlink_put_u32(&request, IFLA_MASTER, (uint32_t)master);
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return err_wrap(err, "cannot make a network interface a port of another");
	return 0;
}

int link_rename(int sock, int index, const char *name, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	link_begin_change(&request, RTM_NEWLINK, index, 0, 0);
	netlink_put_string(&request, IFLA_IFNAME, name);
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return err_wrap(err, "cannot name a network interface %s", name);
	return 0;
}

int link_set_port(int sock, int index, unsigned int port, struct err *err)
{
	static const struct {
		unsigned int flag;
		uint16_t attribute;
	} flags[] = {
		{ LINK_PORT_LEARNING, IFLA_BRPORT_LEARNING },
		{ LINK_PORT_ISOLATED, IFLA_BRPORT_ISOLATED },
		{ LINK_PORT_HAIRPIN, IFLA_BRPORT_MODE },
		{ LINK_PORT_NEIGH_SUPPRESS, IFLA_BRPORT_NEIGH_SUPPRESS },
		{ LINK_PORT_BPDU_GUARD, IFLA_BRPORT_GUARD },
		{ LINK_PORT_ROOT_BLOCK, IFLA_BRPORT_PROTECT },
	};
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct link_places places;

	link_begin_change(&request, RTM_NEWLINK, index, 0, 0);
	places.info = netlink_nest(&request, IFLA_LINKINFO);
	netlink_put_string(&request, IFLA_INFO_SLAVE_KIND, "bridge");
	places.data = netlink_nest(&request, IFLA_INFO_SLAVE_DATA);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		netlink_put_u8(&request, flags[i].attribute, (port & flags[i].flag) != 0);
	netlink_end(&request, places.data);
	netlink_end(&request, places.info);
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return err_wrap(err, "cannot set how a bridge treats its port");
	return 0;
}

int link_add_station(int sock, int index, const uint8_t mac[6], struct err *err)
{
	const struct ndmsg info = { .ndm_family = PF_BRIDGE,
				    .ndm_ifindex = index,
				    .ndm_state = NUD_NOARP,
				    .ndm_flags = NTF_MASTER };
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	netlink_begin(&request, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &info,
		      sizeof(info));
	netlink_put(&request, NDA_LLADDR, mac, 6);
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return err_wrap(err, "cannot tell a bridge who is behind its port");
	return 0;
}

/* ethtool_op_get_link() of the kernel: it runs what linkwatch has waiting for the link. */
int link_settle(const char *name, struct err *err)
{
	_cleanup_close_ int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_value value = { .cmd = ETHTOOL_GLINK };
	struct ifreq request = { .ifr_data = (char *)&value };

	if (strlen(name) >= sizeof(request.ifr_name))
		return err_set(err, -EINVAL, "no interface has the name '%.64s'", name);
	memcpy(request.ifr_name, name, strlen(name));
	if (sock < 0 || ioctl(sock, SIOCETHTOOL, &request) < 0)
		return err_errno(err, -errno, "cannot ask for the link of %s", name);
	return 0;
}

int link_watch_open(struct err *err)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE };
	_cleanup_close_ int fd = netlink_open(NETLINK_ROUTE, -EBADF, err);

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return err_errno(err, -errno, "cannot watch network interfaces");
	}
	return take_fd(&fd);
}

void link_watch_drain(int fd)
{
	char byte;

	while (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) >= 0 || errno == EINTR ||
	       errno == ENOBUFS)
		;
}
