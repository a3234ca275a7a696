// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rtnetlink(7), as far as moving an interface needs it. A socket belongs to the network namespace that it was
 * made in, wherever we are later: so one for each side is made first, and then both sides are worked from here.
 * The kernel takes an interface down and its addresses off when it moves; they are read before and set again.
 */
#include "sys/netdev.h"
#include "sys/link.h"
#include "sys/netlink.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define NETDEV_NUMBERS_MAX 32768 /* of names with %d: the kernel's own bound, 8 * PAGE_SIZE */

#ifndef IFA_PROTO
#define IFA_PROTO 11 /* Linux 5.18 */
#endif

/* What a user has set of an address; the rest is the kernel's. */
#define NETDEV_ADDRESS_FLAGS                                                            \
	(IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | \
	 IFA_F_MCAUTOJOIN)

struct netdev_side {
	int sock;
	int namespace; /* to move to it */
};

int netdev_name_is_valid(const char *name)
{
	if (!*name || strlen(name) >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	for (; *name; name++) {
		if (*name == '/' || *name == ':' || isspace((unsigned char)*name))
			return 0;
	}
	return 1;
}

/* The number that "as" wants, if it wants one: the lowest that nobody there has. */
static int netdev_choose_name(int sock, const char *as, char ret[IFNAMSIZ])
{
	const char *percent = strchr(as, '%');

	for (int i = 0; i < NETDEV_NUMBERS_MAX; i++) {
		struct err err = ERR_INIT;
		struct link ignored;
		int n, r;

		if (percent)
			n = snprintf(ret, IFNAMSIZ, "%.*s%d%s", (int)(percent - as), as, i,
				     percent + 2);
		else
			n = snprintf(ret, IFNAMSIZ, "%s", as);
		if (n >= IFNAMSIZ)
			return -ENAMETOOLONG;
		r = link_find(sock, ret, &ignored, &err);
		if (r == -ENODEV)
			return 0;
		if (r < 0 || !percent)
			return r < 0 ? r : -EEXIST;
	}
	return -EEXIST;
}

struct netdev_addresses {
	int index;
	struct buf *messages; /* aligned, one after the other */
};

static void netdev_read_address(void *ctx, const struct nlmsghdr *message)
{
	const struct netdev_addresses *addresses = ctx;
	struct netlink_attribute attribute;
	struct netlink_view view;
	struct ifaddrmsg info;
	uint32_t flags;

	if (!netlink_read(message, RTM_NEWADDR, &info, sizeof(info)))
		return;
	flags = info.ifa_flags;
	view = netlink_attributes(message, sizeof(info));
	while (netlink_next(&view, &attribute)) {
		if (attribute.type == IFA_FLAGS)
			netlink_get(&attribute, &flags, sizeof(flags));
	}
	if ((int)info.ifa_index != addresses->index || info.ifa_scope != RT_SCOPE_UNIVERSE ||
	    !(flags & IFA_F_PERMANENT))
		return;
	buf_add(addresses->messages, message, NLMSG_ALIGN(message->nlmsg_len));
}

/* Those of a host's interface that are to go with it: config-linux.md, "Network Devices". */
static int netdev_list_addresses(int sock, int index, struct buf *ret, struct err *err)
{
	struct netdev_addresses addresses = { .index = index, .messages = ret };
	const struct ifaddrmsg info = { .ifa_family = AF_UNSPEC };
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP, &info, sizeof(info));
	return netlink_ask(sock, &request, netdev_read_address, &addresses, err);
}

static int netdev_is_kept(unsigned short type)
{
	return type == IFA_ADDRESS || type == IFA_LOCAL || type == IFA_BROADCAST ||
	       type == IFA_RT_PRIORITY || type == IFA_PROTO;
}

static int netdev_add_address(int sock, int index, const struct nlmsghdr *message, struct err *err)
{
	struct netlink_view view = netlink_attributes(message, sizeof(struct ifaddrmsg));
	struct netlink_attribute attribute;
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct ifaddrmsg info;
	uint32_t flags;

	memcpy(&info, NLMSG_DATA(message), sizeof(info));
	flags = info.ifa_flags;
	info.ifa_index = (uint32_t)index;
	info.ifa_flags &= (uint8_t)NETDEV_ADDRESS_FLAGS;
	netlink_begin(&request, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &info,
		      sizeof(info));
	while (netlink_next(&view, &attribute)) {
		if (attribute.type == IFA_FLAGS)
			netlink_get(&attribute, &flags, sizeof(flags));
		else if (netdev_is_kept(attribute.type))
			netlink_put(&request, attribute.type, attribute.data, attribute.len);
	}
	netlink_put_u32(&request, IFA_FLAGS, flags & NETDEV_ADDRESS_FLAGS);
	return netlink_ask(sock, &request, NULL, NULL, err);
}

static int netdev_add_addresses(int sock, int index, const struct buf *messages, struct err *err)
{
	struct netlink_view view = { .at = messages->data, .left = messages->len };
	const struct nlmsghdr *message;
	int r = 0;

	while (r == 0 && (message = netlink_next_message(&view)))
		r = netdev_add_address(sock, index, message, err);
	return r;
}

/* Of both names the old one may be taken there, if the new one is not. */
static int netdev_send(int sock, int index, int namespace, const char *name, struct err *err)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	netlink_begin(&request, RTM_NEWLINK, NLM_F_ACK, &info, sizeof(info));
	netlink_put_u32(&request, IFLA_NET_NS_FD, (uint32_t) namespace);
	netlink_put_string(&request, IFLA_IFNAME, name);
	return netlink_ask(sock, &request, NULL, NULL, err);
}

/* What the move took from it. */
static int netdev_settle(int sock, const char *name, const struct buf *addresses, int up,
			 struct err *err)
{
	struct link link;
	int r = link_find(sock, name, &link, err);

	if (r == 0)
		r = netdev_add_addresses(sock, link.index, addresses, err);
	return r == 0 && up ? link_set_up(sock, link.index, 1, err) : r;
}

static void netdev_side_release(struct netdev_side *side)
{
	fd_close(side->sock);
	fd_close(side->namespace);
}

#define NETDEV_SIDE_INIT                            \
	{                                           \
		.sock = -EBADF, .namespace = -EBADF \
	}
#define _cleanup_netdev_side_ _cleanup_(netdev_side_release)

static int netdev_open_side(int namespace, struct netdev_side *ret, struct err *err)
{
	ret->sock = netlink_open(NETLINK_ROUTE, namespace, err);
	if (ret->sock < 0)
		return ret->sock;
	if (namespace < 0)
		ret->namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	else
		ret->namespace = fcntl(namespace, F_DUPFD_CLOEXEC, 3);
	return ret->namespace < 0 ? err_errno(err, -errno, "cannot keep a namespace") : 0;
}

/* What moved is no longer here, and got the new name there, or not yet. */
static void netdev_undo(const struct netdev_side *here, const struct netdev_side *there,
			const char *name, const char *as, const struct buf *addresses, int up)
{
	struct err err = ERR_INIT;
	struct link link;

	if (link_find(here->sock, name, &link, &err) != -ENODEV)
		return;
	if (link_find(there->sock, as, &link, &err) < 0 &&
	    link_find(there->sock, name, &link, &err) < 0)
		return;
	(void)netdev_send(there->sock, link.index, here->namespace, name, &err);
	(void)netdev_settle(here->sock, name, addresses, up, &err);
}

int netdev_move(int from, const char *name, int to, const char *as, char ret_name[IFNAMSIZ],
		struct err *err)
{
	_cleanup_netdev_side_ struct netdev_side here = NETDEV_SIDE_INIT, there = NETDEV_SIDE_INIT;
	_cleanup_buf_ struct buf addresses = BUF_INIT;
	struct link link = { 0 };
	int r = netdev_open_side(from, &here, err);

	if (r == 0)
		r = netdev_open_side(to, &there, err);
	if (r == 0)
		r = link_find(here.sock, name, &link, err);
	if (r < 0)
		return r;
	r = netdev_choose_name(there.sock, as, ret_name);
	if (r < 0)
		return err_errno(err, r, "the name '%s' cannot be had", as);
	if (netdev_list_addresses(here.sock, link.index, &addresses, err) < 0)
		return err_wrap(err, "cannot list the addresses");
	r = netdev_send(here.sock, link.index, there.namespace, ret_name, err);
	if (r == 0)
		r = netdev_settle(there.sock, ret_name, &addresses, 1, err);
	if (r < 0)
		netdev_undo(&here, &there, name, ret_name, &addresses, link.is_up);
	return r < 0 ? err_wrap(err, "cannot move it") : 0;
}
