// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each setting is one message to the kernel over rtnetlink(7), and its answer. All cards are moved aside before any gets
 * its name: so cards can change names among them, and udev keeps a name that was given where it would replace one that
 * the kernel has made up.
 */
#include "guest/net.h"
#include "base/file.h"
#include "guest/uevent.h"
#include "proto/announce.h"
#include "proto/nic.h"

#include <fcntl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define NET_METRIC6 1024 /* the kernel's own of a route that names none, IP6_RT_PRIO_USER */

struct net_request {
	struct nlmsghdr header;
	uint8_t body[192];
};

struct net_answer {
	struct nlmsghdr header;
	struct nlmsgerr error;
};

struct net_card {
	struct nic_setup setup;
	unsigned int index; /* of the interface; 0: not found yet */
	unsigned int place;
};

struct net_cards {
	int fd;
	size_t n;
	struct net_card cards[NIC_MAX];
};

int net_loopback_up(struct err *err)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo" };

	if (fd < 0 && errno == EAFNOSUPPORT)
		return 0;
	/* the kernel gives it its addresses then */
	request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_errno(err, -errno, "cannot bring up the loopback interface");
	return 0;
}

void net_open_to_all(void)
{
	(void)file_write_value(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
	(void)file_write_value(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
}

/* Requests. */

static void net_begin(struct net_request *request, uint16_t type, uint16_t flags, const void *head,
		      size_t len)
{
	*request = (struct net_request){
		.header = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(len),
			    .nlmsg_type = type,
			    .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags) },
	};
	memcpy(NLMSG_DATA(&request->header), head, len);
}

/* A few of at most 16 bytes: there is room. */
static void net_add(struct net_request *request, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
	struct rtattr attribute = { .rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type };

	memcpy((uint8_t *)request + at, &attribute, sizeof(attribute));
	memcpy((uint8_t *)request + at + RTA_LENGTH(0), data, len);
	request->header.nlmsg_len = (uint32_t)(at + RTA_ALIGN(attribute.rta_len));
}

static int net_ask(int fd, const struct net_request *request)
{
	struct net_answer answer = { .header = { 0 } };
	ssize_t n = send(fd, request, request->header.nlmsg_len, 0);

	if (n >= 0)
		n = recv(fd, &answer, sizeof(answer), MSG_TRUNC);
	if (n < 0)
		return -errno;
	if (n < (ssize_t)sizeof(answer) || answer.header.nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	return answer.error.error;
}

static int net_rename(int fd, unsigned int index, const char *name)
{
	const struct ifinfomsg head = { .ifi_index = (int)index };
	struct net_request request;

	net_begin(&request, RTM_NEWLINK, 0, &head, sizeof(head));
	net_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
	return net_ask(fd, &request);
}

static int net_bring_up(int fd, unsigned int index, uint32_t mtu)
{
	const struct ifinfomsg head = { .ifi_index = (int)index,
					.ifi_flags = IFF_UP,
					.ifi_change = IFF_UP };
	struct net_request request;

	net_begin(&request, RTM_NEWLINK, 0, &head, sizeof(head));
	if (mtu)
		net_add(&request, IFLA_MTU, &mtu, sizeof(mtu));
	return net_ask(fd, &request);
}

static size_t net_size(int family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

/* Nobody else has an address that the host gives out, so it is good at once. */
static int net_add_address(int fd, const struct net_card *card, const struct nic_prefix *address)
{
	const struct ifaddrmsg head = { .ifa_family = (uint8_t)address->family,
					.ifa_prefixlen = (uint8_t)address->length,
					.ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0,
					.ifa_index = card->index };
	size_t size = net_size(address->family);
	struct net_request request;

	net_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	net_add(&request, IFA_LOCAL, &address->ip, size);
	net_add(&request, IFA_ADDRESS, &address->ip, size);
	if (address->family == AF_INET && address->length < 31) {
		in_addr_t broadcast =
			address->ip.s_addr | (address->length ? htonl(UINT32_MAX >> address->length)
							      : htonl(UINT32_MAX));

		net_add(&request, IFA_BROADCAST, &broadcast, sizeof(broadcast));
	}
	return net_ask(fd, &request);
}

static int net_add_route(int fd, const struct net_card *card, const struct nic_route *route,
			 unsigned int flags)
{
	const struct rtmsg head = { .rtm_family = (uint8_t)route->to.family,
				    .rtm_dst_len = (uint8_t)route->to.length,
				    .rtm_table = RT_TABLE_MAIN,
				    .rtm_protocol = RTPROT_BOOT,
				    .rtm_scope =
					    route->via.family ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
				    .rtm_type = RTN_UNICAST,
				    .rtm_flags = flags };
	size_t size = net_size(route->to.family);
	struct net_request request;

	net_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	if (route->to.length)
		net_add(&request, RTA_DST, &route->to.ip, size);
	if (route->via.family)
		net_add(&request, RTA_GATEWAY, &route->via.ip, size);
	net_add(&request, RTA_OIF, &card->index, sizeof(card->index));
	if (route->metric)
		net_add(&request, RTA_PRIORITY, &route->metric, sizeof(route->metric));
	return net_ask(fd, &request);
}

/* Of several cards the first is preferred. */
static int net_add_gateway(int fd, const struct net_card *card, const struct nic_prefix *via)
{
	const struct nic_route route = {
		.to = { .family = via->family },
		.via = *via,
		.metric = card->place + (via->family == AF_INET6 ? NET_METRIC6 : 0),
	};

	return net_add_route(fd, card, &route, 0);
}

static int net_add_near(int fd, const struct net_card *card, const struct nic_near *near)
{
	const struct ndmsg head = { .ndm_family = (uint8_t)near->ip.family,
				    .ndm_ifindex = (int)card->index,
				    .ndm_state = NUD_PERMANENT };
	struct net_request request;

	net_begin(&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	net_add(&request, NDA_DST, &near->ip.ip, net_size(near->ip.family));
	net_add(&request, NDA_LLADDR, near->mac, sizeof(near->mac));
	return net_ask(fd, &request);
}

/* Cards. */

static int net_parse(char *const *nics, struct net_cards *cards, struct err *err)
{
	for (; *nics; nics++) {
		struct net_card *card = &cards->cards[cards->n];

		if (cards->n == NIC_MAX)
			return err_set(err, -E2BIG, "a machine has at most %d network cards",
				       NIC_MAX);
		if (nic_setup_parse(*nics, &card->setup, err) < 0)
			return err->code;
		card->place = (unsigned int)cards->n++;
	}
	return 0;
}

static int net_read_mac(int fd, const char *name, uint8_t ret[6])
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		return -errno;
	memcpy(ret, request.ifr_hwaddr.sa_data, 6);
	return 0;
}

/* 1 if there is an interface for each. */
static int net_look_for_cards(void *ctx, struct err *err _unused_)
{
	struct net_cards *cards = ctx;
	struct if_nameindex *all = if_nameindex();
	int found = 0;

	for (const struct if_nameindex *one = all; one && one->if_index; one++) {
		uint8_t mac[6];

		if (net_read_mac(cards->fd, one->if_name, mac) < 0)
			continue;
		for (size_t i = 0; i < cards->n; i++) {
			if (!memcmp(cards->cards[i].setup.mac, mac, sizeof(mac)))
				cards->cards[i].index = one->if_index;
		}
	}
	if (all)
		if_freenameindex(all);
	for (size_t i = 0; i < cards->n; i++)
		found += cards->cards[i].index > 0;
	return found == (int)cards->n;
}

static int net_find_cards(struct net_cards *cards, int uevents, int64_t timeout_ms, struct err *err)
{
	char mac[NIC_MAC_TEXT];
	int r = uevent_wait(uevents, timeout_ms, net_look_for_cards, cards, err);

	for (size_t i = 0; r == 0 && i < cards->n; i++) {
		const struct net_card *card = &cards->cards[i];

		if (!card->index)
			return err_set(err, -ENODEV, "the machine has no network card %s for '%s'",
				       nic_format_mac(card->setup.mac, mac), card->setup.name);
	}
	return r < 0 ? r : 0;
}

static int net_move_aside(struct net_cards *cards, struct err *err)
{
	for (size_t i = 0; i < cards->n; i++) {
		char name[NIC_NAME_MAX];
		int r;

		snprintf(name, sizeof(name), "brig%u", cards->cards[i].index);
		r = net_rename(cards->fd, cards->cards[i].index, name);
		if (r < 0)
			return err_errno(err, r, "cannot rename the network card for '%s'",
					 cards->cards[i].setup.name);
	}
	return 0;
}

static int net_set_up_family(int fd, const struct net_card *card, const struct nic_prefix *address,
			     const struct nic_prefix *via, struct err *err)
{
	const char *version = address->family == AF_INET ? "IPv4" : "IPv6";
	int r = address->family ? net_add_address(fd, card, address) : 0;

	if (r < 0)
		return err_errno(err, r, "cannot give '%s' its %s address", card->setup.name,
				 version);
	r = via->family ? net_add_gateway(fd, card, via) : 0;
	if (r < 0)
		return err_errno(err, r, "cannot set the %s gateway of '%s'",
				 via->family == AF_INET ? "IPv4" : "IPv6", card->setup.name);
	return 0;
}

static int net_set_up_ip(int fd, const struct net_card *card, struct err *err)
{
	const struct nic_setup *setup = &card->setup;
	const struct nic_prefix address = { .family = setup->ip.s_addr ? AF_INET : 0,
					    .ip = setup->ip,
					    .length = setup->prefix };
	const struct nic_prefix via = { .family = setup->via.s_addr ? AF_INET : 0,
					.ip = setup->via };

	return net_set_up_family(fd, card, &address, &via, err);
}

static int net_set_up_ip6(int fd, const struct net_card *card, struct err *err)
{
	const struct nic_setup *setup = &card->setup;
	const struct nic_prefix address = { .family = IN6_IS_ADDR_UNSPECIFIED(&setup->ip6)
							      ? 0
							      : AF_INET6,
					    .ip6 = setup->ip6,
					    .length = setup->prefix6 };
	const struct nic_prefix via = { .family = IN6_IS_ADDR_UNSPECIFIED(&setup->via6) ? 0
											: AF_INET6,
					.ip6 = setup->via6 };

	return net_set_up_family(fd, card, &address, &via, err);
}

/* A gateway need not be in a prefix of ours: whoever made the route knew that it is on the link, and order is none. */
static int net_set_up_more(int fd, const struct net_card *card, int has_ip6, struct err *err)
{
	const struct nic_setup *setup = &card->setup;
	int r = 0;

	for (size_t i = 0; r == 0 && i < setup->n_also; i++) {
		if (has_ip6 || setup->also[i].family == AF_INET)
			r = net_add_address(fd, card, &setup->also[i]);
	}
	if (r < 0)
		return err_errno(err, r, "cannot give '%s' one more address", setup->name);
	for (size_t i = 0; r == 0 && i < setup->n_routes; i++) {
		const struct nic_route *route = &setup->routes[i];

		if (has_ip6 || route->to.family == AF_INET)
			r = net_add_route(fd, card, route, route->via.family ? RTNH_F_ONLINK : 0);
	}
	if (r < 0)
		return err_errno(err, r, "cannot set a route of '%s'", setup->name);
	for (size_t i = 0; r == 0 && i < setup->n_near; i++) {
		if (has_ip6 || setup->near[i].ip.family == AF_INET)
			r = net_add_near(fd, card, &setup->near[i]);
	}
	return r < 0 ? err_errno(err, r, "cannot tell '%s' of a neighbour", setup->name) : 0;
}

/* A kernel that has no IPv6, or was told so on its command line, does without. */
static int net_set_up_card(int fd, const struct net_card *card, struct err *err)
{
	const struct nic_setup *setup = &card->setup;
	int has_ip6 = access("/proc/sys/net/ipv6", F_OK) == 0;
	int r = net_rename(fd, card->index, setup->name);

	if (r < 0)
		return err_errno(err, r, "cannot name a network card '%s'", setup->name);
	r = net_bring_up(fd, card->index, setup->mtu);
	if (r < 0)
		return err_errno(err, r, "cannot bring up '%s'%s", setup->name,
				 setup->mtu ? " with its MTU" : "");
	r = net_set_up_ip(fd, card, err);
	if (r == 0 && has_ip6)
		r = net_set_up_ip6(fd, card, err);
	return r < 0 ? r : net_set_up_more(fd, card, has_ip6, err);
}

/* Neighbours may remember another who had the address. A kernel without packet sockets does without. */
static void net_announce(const struct net_cards *cards)
{
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	for (size_t i = 0; fd >= 0 && i < cards->n; i++)
		announce_send(fd, (int)cards->cards[i].index, &cards->cards[i].setup);
}

int net_set_up(char *const *nics, int uevents, int64_t timeout_ms, struct err *err)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct net_cards cards = { .fd = fd };
	int r = net_parse(nics, &cards, err);

	if (r == 0 && fd < 0)
		r = err_errno(err, -errno, "cannot talk with the kernel about networks");
	if (r == 0)
		r = net_find_cards(&cards, uevents, timeout_ms, err);
	if (r == 0)
		r = net_move_aside(&cards, err);
	for (size_t i = 0; r == 0 && i < cards.n; i++)
		r = net_set_up_card(fd, &cards.cards[i], err);
	if (r == 0)
		net_announce(&cards);
	return r;
}

/* linux/ethtool.h's ETHTOOL_GPERMADDR and struct ethtool_perm_addr; the header itself goes for our limits.h. */
#define NET_GET_OWN_MAC 0x20

struct net_own_mac {
	uint32_t command, size;
	uint8_t mac[32];
};

/* A card's own, as its driver found it. */
static int net_read_own_mac(int fd, const char *name, uint8_t ret[6])
{
	struct net_own_mac own = { .command = NET_GET_OWN_MAC, .size = sizeof(own.mac) };
	struct ifreq request = { .ifr_data = (char *)&own };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCETHTOOL, &request) < 0 || own.size != 6)
		return -EOPNOTSUPP;
	memcpy(ret, own.mac, 6);
	return 0;
}

int net_find(const uint8_t mac[6], char *name)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct if_nameindex *all = if_nameindex();
	int found = 0;

	for (const struct if_nameindex *one = all; one && one->if_index && !found; one++) {
		uint8_t own[6];

		found = net_read_own_mac(fd, one->if_name, own) == 0 &&
			!memcmp(own, mac, sizeof(own));
		if (found)
			snprintf(name, NIC_NAME_MAX, "%s", one->if_name);
	}
	if (all)
		if_freenameindex(all);
	return found;
}
