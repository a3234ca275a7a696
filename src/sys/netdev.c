// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rtnetlink(7), as far as moving an interface needs it. A socket belongs to the network namespace that it was
 * made in, wherever we are later: so one for each side is made first, and then both sides are worked from here.
 * The kernel takes an interface down and its addresses off when it moves; they are read before and set again.
 */
#include "sys/netdev.h"
#include "base/buf.h"
#include "base/mem.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define NETDEV_REQUEST_MAX 512
#define NETDEV_REPLY_MAX   32768 /* what the kernel fills at most: NLMSG_GOODSIZE is less */
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

struct netdev_request {
	struct nlmsghdr header;
	char payload[NETDEV_REQUEST_MAX];
};

struct netdev_link {
	int index;
	int is_up;
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

static void netdev_begin(struct netdev_request *request, uint16_t type, uint16_t flags,
			 const void *header, size_t len)
{
	*request = (struct netdev_request){
		.header = { .nlmsg_len = NLMSG_LENGTH(len),
			    .nlmsg_type = type,
			    .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) },
	};
	memcpy(NLMSG_DATA(&request->header), header, len);
}

/* What has no room in NETDEV_REQUEST_MAX is left out: the kernel's addresses and our names have. */
static void netdev_put(struct netdev_request *request, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
	struct rtattr attribute = { .rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type };

	if (at + RTA_SPACE(len) > sizeof(*request))
		return;
	memcpy((char *)request + at, &attribute, sizeof(attribute));
	memcpy((char *)request + at + RTA_LENGTH(0), data, len);
	request->header.nlmsg_len = (uint32_t)(at + RTA_LENGTH(len));
}

/* What follows, and how much is left of it: the kernel's macros for this wrap around at an end that is not aligned. */
static const void *netdev_skip(const void *at, size_t len, size_t *left)
{
	len = NLMSG_ALIGN(len);
	*left -= len < *left ? len : *left;
	return (const char *)at + len;
}

/* Of an address's message. */
static const struct rtattr *netdev_attributes(const struct nlmsghdr *message, size_t *left)
{
	*left = message->nlmsg_len;
	return netdev_skip(message, NLMSG_LENGTH(sizeof(struct ifaddrmsg)), left);
}

static const struct rtattr *netdev_next(const struct rtattr *attribute, size_t *left)
{
	return netdev_skip(attribute, attribute->rta_len, left);
}

/* Calls each(ctx, message) with the messages of the answer up to its end. */
static int netdev_receive(int sock, void (*each)(void *ctx, const struct nlmsghdr *message),
			  void *ctx)
{
	_cleanup_free_ struct nlmsghdr *buffer = mem_zalloc(NETDEV_REPLY_MAX);

	for (;;) {
		ssize_t n = recv(sock, buffer, NETDEV_REPLY_MAX, 0);
		const struct nlmsghdr *message = buffer;
		size_t left = n < 0 ? 0 : (size_t)n;

		if (n < 0 && errno != EINTR)
			return -errno;
		for (; NLMSG_OK(message, left);
		     message = netdev_skip(message, message->nlmsg_len, &left)) {
			int code = 0;

			if (message->nlmsg_type == NLMSG_DONE)
				return 0;
			if (message->nlmsg_type == NLMSG_ERROR) {
				memcpy(&code, NLMSG_DATA(message), sizeof(code));
				return code;
			}
			if (each)
				each(ctx, message);
		}
	}
}

static int netdev_ask(int sock, const struct netdev_request *request,
		      void (*each)(void *ctx, const struct nlmsghdr *message), void *ctx)
{
	if (send(sock, request, request->header.nlmsg_len, 0) < 0)
		return -errno;
	return netdev_receive(sock, each, ctx);
}

static void netdev_read_link(void *ctx, const struct nlmsghdr *message)
{
	struct ifinfomsg info;
	struct netdev_link *link = ctx;

	if (message->nlmsg_type != RTM_NEWLINK || message->nlmsg_len < NLMSG_LENGTH(sizeof(info)))
		return;
	memcpy(&info, NLMSG_DATA(message), sizeof(info));
	link->index = info.ifi_index;
	link->is_up = (info.ifi_flags & IFF_UP) != 0;
}

/* -ENODEV: there is none of that name. */
static int netdev_find(int sock, const char *name, struct netdev_link *ret)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct netdev_request request;
	int r;

	*ret = (struct netdev_link){ 0 };
	netdev_begin(&request, RTM_GETLINK, NLM_F_ACK, &info, sizeof(info));
	netdev_put(&request, IFLA_IFNAME, name, strlen(name) + 1);
	r = netdev_ask(sock, &request, netdev_read_link, ret);
	return r == 0 && !ret->index ? -ENODEV : r;
}

/* The number that "as" wants, if it wants one: the lowest that nobody there has. */
static int netdev_choose_name(int sock, const char *as, char ret[IFNAMSIZ])
{
	const char *percent = strchr(as, '%');
	struct netdev_link ignored;

	for (int i = 0; i < NETDEV_NUMBERS_MAX; i++) {
		int n, r;

		if (percent)
			n = snprintf(ret, IFNAMSIZ, "%.*s%d%s", (int)(percent - as), as, i,
				     percent + 2);
		else
			n = snprintf(ret, IFNAMSIZ, "%s", as);
		if (n >= IFNAMSIZ)
			return -ENAMETOOLONG;
		r = netdev_find(sock, ret, &ignored);
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
	static const char padding[NLMSG_ALIGNTO];
	const struct rtattr *attribute;
	struct ifaddrmsg info;
	uint32_t flags;
	size_t left;

	if (message->nlmsg_type != RTM_NEWADDR || message->nlmsg_len < NLMSG_LENGTH(sizeof(info)))
		return;
	memcpy(&info, NLMSG_DATA(message), sizeof(info));
	flags = info.ifa_flags;
	attribute = netdev_attributes(message, &left);
	for (; RTA_OK(attribute, left); attribute = netdev_next(attribute, &left)) {
		if (attribute->rta_type == IFA_FLAGS && RTA_PAYLOAD(attribute) == sizeof(flags))
			memcpy(&flags, RTA_DATA(attribute), sizeof(flags));
	}
	if ((int)info.ifa_index != addresses->index || info.ifa_scope != RT_SCOPE_UNIVERSE ||
	    !(flags & IFA_F_PERMANENT))
		return;
	buf_add(addresses->messages, message, message->nlmsg_len);
	buf_add(addresses->messages, padding, NLMSG_ALIGN(message->nlmsg_len) - message->nlmsg_len);
}

/* Those of a host's interface that are to go with it: config-linux.md, "Network Devices". */
static int netdev_list_addresses(int sock, int index, struct buf *ret)
{
	struct netdev_addresses addresses = { .index = index, .messages = ret };
	const struct ifaddrmsg info = { .ifa_family = AF_UNSPEC };
	struct netdev_request request;

	netdev_begin(&request, RTM_GETADDR, NLM_F_DUMP, &info, sizeof(info));
	return netdev_ask(sock, &request, netdev_read_address, &addresses);
}

static int netdev_is_kept(unsigned short type)
{
	return type == IFA_ADDRESS || type == IFA_LOCAL || type == IFA_BROADCAST ||
	       type == IFA_RT_PRIORITY || type == IFA_PROTO;
}

static int netdev_add_address(int sock, int index, const struct nlmsghdr *message)
{
	size_t left;
	const struct rtattr *attribute = netdev_attributes(message, &left);
	struct netdev_request request;
	struct ifaddrmsg info;
	uint32_t flags;

	memcpy(&info, NLMSG_DATA(message), sizeof(info));
	flags = info.ifa_flags;
	info.ifa_index = (uint32_t)index;
	info.ifa_flags &= (uint8_t)NETDEV_ADDRESS_FLAGS;
	netdev_begin(&request, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &info,
		     sizeof(info));
	for (; RTA_OK(attribute, left); attribute = netdev_next(attribute, &left)) {
		if (attribute->rta_type == IFA_FLAGS && RTA_PAYLOAD(attribute) == sizeof(flags))
			memcpy(&flags, RTA_DATA(attribute), sizeof(flags));
		else if (netdev_is_kept(attribute->rta_type))
			netdev_put(&request, attribute->rta_type, RTA_DATA(attribute),
				   RTA_PAYLOAD(attribute));
	}
	flags &= NETDEV_ADDRESS_FLAGS;
	netdev_put(&request, IFA_FLAGS, &flags, sizeof(flags));
	return netdev_ask(sock, &request, NULL, NULL);
}

static int netdev_add_addresses(int sock, int index, const struct buf *messages)
{
	const struct nlmsghdr *message = (const void *)messages->data;
	size_t left = messages->len;
	int r = 0;

	for (; r == 0 && left && NLMSG_OK(message, left);
	     message = netdev_skip(message, message->nlmsg_len, &left))
		r = netdev_add_address(sock, index, message);
	return r;
}

static int netdev_set_up(int sock, int index)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC,
					.ifi_index = index,
					.ifi_flags = IFF_UP,
					.ifi_change = IFF_UP };
	struct netdev_request request;

	netdev_begin(&request, RTM_NEWLINK, NLM_F_ACK, &info, sizeof(info));
	return netdev_ask(sock, &request, NULL, NULL);
}

/* Of both names the old one may be taken there, if the new one is not. */
static int netdev_send(int sock, int index, int namespace, const char *name)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	uint32_t fd = (uint32_t) namespace;
	struct netdev_request request;

	netdev_begin(&request, RTM_NEWLINK, NLM_F_ACK, &info, sizeof(info));
	netdev_put(&request, IFLA_NET_NS_FD, &fd, sizeof(fd));
	netdev_put(&request, IFLA_IFNAME, name, strlen(name) + 1);
	return netdev_ask(sock, &request, NULL, NULL);
}

/* What the move took from it. */
static int netdev_settle(int sock, const char *name, const struct buf *addresses, int up)
{
	struct netdev_link link;
	int r = netdev_find(sock, name, &link);

	if (r == 0)
		r = netdev_add_addresses(sock, link.index, addresses);
	return r == 0 && up ? netdev_set_up(sock, link.index) : r;
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

static int netdev_open_socket(int namespace, int ours, int *ret)
{
	int r = 0;

	if (namespace >= 0 && setns(namespace, CLONE_NEWNET) < 0)
		return -errno;
	*ret = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (*ret < 0)
		r = -errno;
	if (namespace >= 0 && setns(ours, CLONE_NEWNET) < 0)
		r = -errno;
	return r;
}

static int netdev_open_side(int namespace, struct netdev_side *ret, struct err *err)
{
	int ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), r;

	ret->namespace = ours;
	if (ours < 0)
		return err_errno(err, -errno, "cannot open our own network namespace");
	r = netdev_open_socket(namespace, ours, &ret->sock);
	if (r < 0)
		return err_errno(err, r, "cannot reach a network namespace");
	if (namespace < 0)
		return 0;
	ret->namespace = fcntl(namespace, F_DUPFD_CLOEXEC, 3);
	fd_close(ours);
	return ret->namespace < 0 ? err_errno(err, -errno, "cannot keep a namespace") : 0;
}

/* What moved is no longer here, and got the new name there, or not yet. */
static void netdev_undo(const struct netdev_side *here, const struct netdev_side *there,
			const char *name, const char *as, const struct buf *addresses, int up)
{
	struct netdev_link link;

	if (netdev_find(here->sock, name, &link) != -ENODEV)
		return;
	if (netdev_find(there->sock, as, &link) < 0 && netdev_find(there->sock, name, &link) < 0)
		return;
	(void)netdev_send(there->sock, link.index, here->namespace, name);
	(void)netdev_settle(here->sock, name, addresses, up);
}

int netdev_move(int from, const char *name, int to, const char *as, char ret_name[IFNAMSIZ],
		struct err *err)
{
	_cleanup_netdev_side_ struct netdev_side here = NETDEV_SIDE_INIT, there = NETDEV_SIDE_INIT;
	_cleanup_buf_ struct buf addresses = BUF_INIT;
	struct netdev_link link;
	int r = netdev_open_side(from, &here, err);

	if (r == 0)
		r = netdev_open_side(to, &there, err);
	if (r < 0)
		return r;
	r = netdev_find(here.sock, name, &link);
	if (r < 0)
		return err_errno(err, r, "there is no interface '%s'", name);
	r = netdev_choose_name(there.sock, as, ret_name);
	if (r < 0)
		return err_errno(err, r, "the name '%s' cannot be had", as);
	r = netdev_list_addresses(here.sock, link.index, &addresses);
	if (r < 0)
		return err_errno(err, r, "cannot list the addresses");
	r = netdev_send(here.sock, link.index, there.namespace, ret_name);
	if (r == 0)
		r = netdev_settle(there.sock, ret_name, &addresses, 1);
	if (r < 0)
		netdev_undo(&here, &there, name, ret_name, &addresses, link.is_up);
	return r < 0 ? err_errno(err, r, "cannot move it") : 0;
}
