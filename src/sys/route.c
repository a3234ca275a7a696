// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/route.h"
#include "base/mem.h"
#include "sys/netlink.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

static size_t route_size(int family)
{
	return family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
}

static void route_format(const struct route_prefix *prefix, char *ret, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(prefix->family, &prefix->ip, text, sizeof(text));
	snprintf(ret, size, "%s/%u", text, prefix->length);
}

static int route_wrap(struct err *err, const char *what, const struct route_prefix *prefix)
{
	char text[INET6_ADDRSTRLEN + 8];

	route_format(prefix, text, sizeof(text));
	return err_wrap(err, "cannot %s %s", what, text);
}

static void route_begin_address(struct netlink_request *request, uint16_t type, uint16_t flags,
				int link, const struct route_prefix *address)
{
	const struct ifaddrmsg info = { .ifa_family = (uint8_t)address->family,
					.ifa_prefixlen = (uint8_t)address->length,
					.ifa_scope = RT_SCOPE_UNIVERSE,
					.ifa_index = (uint32_t)link };
	size_t size = route_size(address->family);

	netlink_begin(request, type, NLM_F_ACK | flags, &info, sizeof(info));
	netlink_put(request, IFA_LOCAL, &address->ip, size);
	netlink_put(request, IFA_ADDRESS, &address->ip, size);
}

/* What is sent to all of the network; a network of two has no such address (RFC 3021). */
static void route_put_broadcast(struct netlink_request *request, const struct route_prefix *address)
{
	if (address->family == AF_INET && address->length < 31)
		netlink_put_u32(request, IFA_BROADCAST,
				address->ip.s_addr | htonl(UINT32_MAX >> address->length));
}

int route_add_address(int sock, int link, const struct route_prefix *address, unsigned int flags,
		      struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	uint32_t kernel_flags = (flags & ROUTE_NODAD ? IFA_F_NODAD : 0) |
				(flags & ROUTE_NO_PREFIX ? IFA_F_NOPREFIXROUTE : 0);

	route_begin_address(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, link, address);
	route_put_broadcast(&request, address);
	netlink_put_u32(&request, IFA_FLAGS, kernel_flags);
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return route_wrap(err, "add the address", address);
	return 0;
}

int route_delete_address(int sock, int link, const struct route_prefix *address, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	route_begin_address(&request, RTM_DELADDR, 0, link, address);
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return route_wrap(err, "delete the address", address);
	return 0;
}

struct route_address_table {
	struct route_address *rows;
	size_t count;
};

/* IFA_LOCAL is ours where IFA_ADDRESS is that of the other end; IPv6 has the one alone, if there is no such end. */
static void route_read_address(void *ctx, const struct nlmsghdr *message)
{
	struct netlink_view view = netlink_attributes(message, sizeof(struct ifaddrmsg));
	struct route_address_table *table = ctx;
	struct netlink_attribute attribute;
	struct route_address row = { 0 };
	struct ifaddrmsg info;
	int has_local = 0;

	if (!netlink_read(message, RTM_NEWADDR, &info, sizeof(info)) ||
	    (info.ifa_family != AF_INET && info.ifa_family != AF_INET6))
		return;
	row.link = (int)info.ifa_index;
	row.prefix.family = info.ifa_family;
	row.prefix.length = info.ifa_prefixlen;
	while (netlink_next(&view, &attribute)) {
		if (attribute.type != IFA_LOCAL && (attribute.type != IFA_ADDRESS || has_local))
			continue;
		netlink_get(&attribute, &row.prefix.ip, route_size(row.prefix.family));
		has_local |= attribute.type == IFA_LOCAL;
	}
	table->rows = mem_realloc(table->rows, table->count + 1, sizeof(*table->rows));
	table->rows[table->count++] = row;
}

int route_list_addresses(int sock, struct route_address **ret, size_t *ret_count, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	const struct ifaddrmsg info = { .ifa_family = AF_UNSPEC };
	struct route_address_table table = { 0 };

	netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP, &info, sizeof(info));
	if (netlink_ask(sock, &request, route_read_address, &table, err) < 0)
		return err_wrap(err, "cannot list the addresses");
	*ret = table.rows;
	*ret_count = table.count;
	return 0;
}

static void route_begin(struct netlink_request *request, uint16_t type, uint16_t flags, int link,
			const struct route_prefix *to, unsigned char scope)
{
	const struct rtmsg info = { .rtm_family = (uint8_t)to->family,
				    .rtm_dst_len = (uint8_t)to->length,
				    .rtm_table = RT_TABLE_MAIN,
				    .rtm_protocol = RTPROT_STATIC,
				    .rtm_scope = scope,
				    .rtm_type = RTN_UNICAST };

	netlink_begin(request, type, NLM_F_ACK | flags, &info, sizeof(info));
	netlink_put_u32(request, RTA_OIF, (uint32_t)link);
	if (to->length)
		netlink_put(request, RTA_DST, &to->ip, route_size(to->family));
}

int route_add(int sock, int link, const struct route_prefix *to, const struct route_prefix *via,
	      struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	route_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, link, to,
		    via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
	if (via)
		netlink_put(&request, RTA_GATEWAY, &via->ip, route_size(via->family));
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return route_wrap(err, "add the route to", to);
	return 0;
}

int route_delete(int sock, int link, const struct route_prefix *to, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	route_begin(&request, RTM_DELROUTE, 0, link, to, RT_SCOPE_NOWHERE);
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return route_wrap(err, "delete the route to", to);
	return 0;
}

static void route_read_via(const struct netlink_attribute *attribute, struct route *route)
{
	struct rtvia via = { 0 };
	size_t size;

	if (attribute->len < sizeof(via))
		return;
	memcpy(&via, attribute->data, sizeof(via));
	size = route_size(via.rtvia_family);
	if (attribute->len < sizeof(via) + size)
		return;
	route->via.family = via.rtvia_family;
	route->via.length = (unsigned int)size * 8;
	memcpy(&route->via.ip, (const char *)attribute->data + sizeof(via), size);
}

/* What a route has of a hop, which may be in it, or in the first of several. */
static void route_read_hop(const struct netlink_attribute *attribute, struct route *route)
{
	size_t size = route_size(route->to.family);

	if (attribute->type == RTA_GATEWAY) {
		route->via.family = route->to.family;
		route->via.length = (unsigned int)size * 8;
		netlink_get(attribute, &route->via.ip, size);
	} else if (attribute->type == RTA_VIA) {
		route_read_via(attribute, route);
	}
}

static void route_read_hops(const struct netlink_attribute *attribute, struct route *route)
{
	struct netlink_attribute inner;
	struct netlink_view view;
	struct rtnexthop hop = { 0 };

	if (attribute->len < sizeof(hop))
		return;
	memcpy(&hop, attribute->data, sizeof(hop));
	route->link = hop.rtnh_ifindex;
	if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > attribute->len)
		return;
	view = (struct netlink_view){ (const char *)attribute->data + sizeof(hop),
				      hop.rtnh_len - sizeof(hop) };
	while (netlink_next(&view, &inner))
		route_read_hop(&inner, route);
}

static void route_read_attribute(const struct netlink_attribute *attribute, struct route *route,
				 uint32_t *table)
{
	switch (attribute->type) {
	case RTA_TABLE:
		netlink_get(attribute, table, sizeof(*table));
		break;
	case RTA_OIF:
		netlink_get(attribute, &route->link, sizeof(route->link));
		break;
	case RTA_DST:
		netlink_get(attribute, &route->to.ip, route_size(route->to.family));
		break;
	case RTA_PRIORITY:
		netlink_get(attribute, &route->metric, sizeof(route->metric));
		break;
	case RTA_MULTIPATH:
		route_read_hops(attribute, route);
		break;
	default:
		route_read_hop(attribute, route);
		break;
	}
}

struct route_table {
	struct route *rows;
	size_t count;
};

static void route_read(void *ctx, const struct nlmsghdr *message)
{
	struct netlink_view view = netlink_attributes(message, sizeof(struct rtmsg));
	struct netlink_attribute attribute;
	struct route_table *routes = ctx;
	struct route route = { 0 };
	struct rtmsg info;
	uint32_t table;

	if (!netlink_read(message, RTM_NEWROUTE, &info, sizeof(info)) ||
	    (info.rtm_family != AF_INET && info.rtm_family != AF_INET6))
		return;
	table = info.rtm_table;
	route.to.family = info.rtm_family;
	route.to.length = info.rtm_dst_len;
	route.protocol = info.rtm_protocol;
	while (netlink_next(&view, &attribute))
		route_read_attribute(&attribute, &route, &table);
	if (table != RT_TABLE_MAIN || info.rtm_type != RTN_UNICAST || info.rtm_flags & RTM_F_CLONED)
		return;
	routes->rows = mem_realloc(routes->rows, routes->count + 1, sizeof(*routes->rows));
	routes->rows[routes->count++] = route;
}

int route_list(int sock, struct route **ret, size_t *ret_count, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	const struct rtmsg info = { .rtm_family = AF_UNSPEC };
	struct route_table routes = { 0 };

	netlink_begin(&request, RTM_GETROUTE, NLM_F_DUMP, &info, sizeof(info));
	if (netlink_ask(sock, &request, route_read, &routes, err) < 0)
		return err_wrap(err, "cannot list the routes");
	*ret = routes.rows;
	*ret_count = routes.count;
	return 0;
}

struct route_neighbours {
	struct route_neighbour *rows;
	size_t count;
};

static void route_read_neighbour(void *ctx, const struct nlmsghdr *message)
{
	struct netlink_view view = netlink_attributes(message, sizeof(struct ndmsg));
	struct route_neighbours *neighbours = ctx;
	struct netlink_attribute attribute;
	struct route_neighbour row = { 0 };
	struct ndmsg info;
	int has_mac = 0;

	if (!netlink_read(message, RTM_NEWNEIGH, &info, sizeof(info)) ||
	    (info.ndm_family != AF_INET && info.ndm_family != AF_INET6) ||
	    !(info.ndm_state & NUD_PERMANENT))
		return;
	row.link = info.ndm_ifindex;
	row.ip.family = info.ndm_family;
	row.ip.length = (unsigned int)route_size(row.ip.family) * 8;
	while (netlink_next(&view, &attribute)) {
		if (attribute.type == NDA_DST)
			netlink_get(&attribute, &row.ip.ip, route_size(row.ip.family));
		if (attribute.type == NDA_LLADDR)
			netlink_get(&attribute, row.mac, sizeof(row.mac));
		has_mac |= attribute.type == NDA_LLADDR && attribute.len == sizeof(row.mac);
	}
	if (!has_mac)
		return;
	neighbours->rows =
		mem_realloc(neighbours->rows, neighbours->count + 1, sizeof(*neighbours->rows));
	neighbours->rows[neighbours->count++] = row;
}

int route_list_neighbours(int sock, struct route_neighbour **ret, size_t *ret_count,
			  struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	const struct ndmsg info = { .ndm_family = AF_UNSPEC };
	struct route_neighbours neighbours = { 0 };

	netlink_begin(&request, RTM_GETNEIGH, NLM_F_DUMP, &info, sizeof(info));
	if (netlink_ask(sock, &request, route_read_neighbour, &neighbours, err) < 0)
		return err_wrap(err, "cannot list the neighbours");
	*ret = neighbours.rows;
	*ret_count = neighbours.count;
	return 0;
}

static const struct route *route_find_default(const struct route *routes, size_t count, int family)
{
	const struct route *best = NULL;

	for (size_t i = 0; i < count; i++) {
		if (routes[i].to.family == family && !routes[i].to.length && routes[i].link &&
		    (!best || routes[i].metric < best->metric))
			best = &routes[i];
	}
	return best;
}

int route_find_uplink(int sock, struct link *ret, struct err *err)
{
	_cleanup_free_ struct route *routes = NULL;
	const struct route *found;
	size_t count;
	int r = route_list(sock, &routes, &count, err);

	if (r < 0)
		return r;
	found = route_find_default(routes, count, AF_INET);
	if (!found)
		found = route_find_default(routes, count, AF_INET6);
	if (!found)
		return err_set(err, -ENOENT, "there is no default route");
	return link_get(sock, found->link, ret, err);
}
