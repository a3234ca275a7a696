// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/plan.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/subnet.h"
#include "proto/nic.h"
#include "sys/link.h"
#include "sys/netlink.h"
#include "sys/route.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define PLAN_PREFIX4_MIN 8  /* a larger network than any that there is for private use */
#define PLAN_PREFIX4_MAX 30 /* the host and one instance */
#define PLAN_PREFIX6_MIN 32
#define PLAN_PREFIX6_MAX 120
#define PLAN_MTU_MIN	 576 /* RFC 791: what every host takes; with IPv6 1280, RFC 8200 */
#define PLAN_MTU_MIN6	 1280
#define PLAN_MTU_MAX	 65535
#define PLAN_VLAN_MAX	 4094 /* IEEE 802.1Q */

/* What is in use, and by what. */
struct plan_taken {
	struct subnet *subnets;
	char **by;
	size_t n;
};

static void plan_taken_release(struct plan_taken *taken)
{
	free(taken->subnets);
	strv_free(taken->by);
}

static void plan_take(struct plan_taken *taken, const struct subnet *subnet, char *by)
{
	taken->subnets = mem_realloc(taken->subnets, taken->n + 1, sizeof(*taken->subnets));
	taken->subnets[taken->n++] = *subnet;
	strv_add_take(&taken->by, by);
}

static void plan_take_prefix(struct plan_taken *taken, const struct route_prefix *prefix,
			     const char *by)
{
	struct subnet subnet;

	/* a way to everywhere, and what each link has by itself, take nothing */
	if (!prefix->length || (prefix->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&prefix->ip6)))
		return;
	subnet_of_route(prefix, &subnet);
	plan_take(taken, &subnet, mem_strdup(by));
}

static int plan_take_host(struct plan_taken *taken, int sock, struct err *err)
{
	_cleanup_free_ struct route_address *addresses = NULL;
	_cleanup_free_ struct route *routes = NULL;
	size_t n_addresses = 0, n_routes = 0;
	int r = route_list_addresses(sock, &addresses, &n_addresses, err);

	if (r == 0)
		r = route_list(sock, &routes, &n_routes, err);
	for (size_t i = 0; r == 0 && i < n_addresses; i++)
		plan_take_prefix(taken, &addresses[i].prefix, "an address of the host's");
	for (size_t i = 0; r == 0 && i < n_routes; i++)
		plan_take_prefix(taken, &routes[i].to, "a route of the host's");
	return r;
}

static void plan_take_text(struct plan_taken *taken, const char *text, const char *name)
{
	struct subnet subnet;

	if (text && subnet_parse(text, &subnet) == 0)
		plan_take(taken, &subnet, mem_printf("the network '%s'", name));
}

static int plan_take_networks(struct plan_taken *taken, const struct network_home *home,
			      struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	int r = network_names(home, &names, err);

	strv_for_each(name, names) {
		_cleanup_network_ struct network network = { 0 };
		struct err ignored = ERR_INIT;

		if (r < 0 || network_load(home, *name, &network, &ignored) < 0)
			continue;
		plan_take_text(taken, network.ipv4, *name);
		plan_take_text(taken, network.ipv6, *name);
	}
	return r;
}

/* What no host can have: this network, loopback, multicast, what is reserved (RFC 6890); of IPv6 the link's, which all have. */
static int plan_check_use(const struct subnet *subnet, struct err *err)
{
	static const char *const reserved[] = { "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3",
						"::/8",	     "fe80::/10",   "ff00::/8" };
	char text[SUBNET_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		struct subnet range;

		if (subnet_parse(reserved[i], &range) == 0 && subnet_overlaps(subnet, &range))
			return err_set(err, -EINVAL, "%s: no host can have an address of %s",
				       subnet_format(subnet, text), reserved[i]);
	}
	if (subnet->family == AF_INET && subnet_number(subnet, subnet) == subnet_size(subnet) - 1)
		return err_set(err, -EINVAL, "%s: the last address is that of all in the network",
			       subnet_format(subnet, text));
	return 0;
}

static int plan_check_prefix(const struct subnet *subnet, struct err *err)
{
	unsigned int min = subnet->family == AF_INET ? PLAN_PREFIX4_MIN : PLAN_PREFIX6_MIN;
	unsigned int max = subnet->family == AF_INET ? PLAN_PREFIX4_MAX : PLAN_PREFIX6_MAX;
	char text[SUBNET_TEXT_MAX];

	return subnet->prefix < min || subnet->prefix > max
		       ? err_set(err, -EINVAL, "%s: the prefix is from /%u to /%u",
				 subnet_format(subnet, text), min, max)
		       : 0;
}

/* As it was given. */
static int plan_given(const struct plan_taken *taken, int family, char **text, struct err *err)
{
	char canonical[SUBNET_TEXT_MAX];
	struct subnet subnet;

	if (subnet_parse(*text, &subnet) < 0 || subnet.family != family)
		return err_set(err, -EINVAL,
			       "'%.64s' is no subnet of IPv%d: say ADDRESS/PREFIX, as %s", *text,
			       family == AF_INET ? 4 : 6,
			       family == AF_INET ? "10.1.2.1/24" : "fd12:3456:789a::1/64");
	if (!subnet_number(&subnet, &subnet))
		subnet_nth(&subnet, 1, &subnet);
	if (plan_check_prefix(&subnet, err) < 0 || plan_check_use(&subnet, err) < 0)
		return err->code;
	for (size_t i = 0; i < taken->n; i++) {
		if (subnet_overlaps(&subnet, &taken->subnets[i]))
			return err_set(err, -EADDRINUSE, "%s overlaps with %s, %s", *text,
				       subnet_format(&taken->subnets[i], canonical), taken->by[i]);
	}
	mem_replace(text, subnet_format(&subnet, canonical));
	return 0;
}

static int plan_choose(const struct plan_taken *taken, int family, char **text, struct err *err)
{
	char chosen[SUBNET_TEXT_MAX];
	struct subnet subnet;
	uint64_t random;

	while (getrandom(&random, sizeof(random), 0) != sizeof(random))
		;
	if (subnet_choose(family, taken->subnets, taken->n, random, &subnet) < 0)
		return err_set(err, -EADDRNOTAVAIL,
			       "no part of 10.0.0.0/8 is free; give a subnet by --ipv4");
	mem_replace(text, subnet_format(&subnet, chosen));
	return 0;
}

static int plan_subnet(const struct plan_taken *taken, const struct network *network, int family,
		       enum plan_family wish, char **text, struct err *err)
{
	static const struct plan_taken nothing = { .n = 0 };

	/* who is on another's wire has that one's addresses, as the host itself may */
	if (*text)
		return plan_given(network_is_on_wire(network) ? &nothing : taken, family, text,
				  err);
	if (wish == PLAN_NONE || network_is_on_wire(network))
		return 0;
	return plan_choose(taken, family, text, err);
}

/* The network's name, where that can be an interface's and says whose it is. */
static void plan_device_name(const struct network_home *home, const struct network *network,
			     char ret[NIC_NAME_MAX])
{
	uint8_t mac[6];

	if (!network_home_number(home) && !strcmp(network->name, NETWORK_DEFAULT)) {
		snprintf(ret, NIC_NAME_MAX, "%s", NETWORK_DEFAULT);
	} else if (!network_home_number(home) && strlen(network->name) + 3 < NIC_NAME_MAX) {
		snprintf(ret, NIC_NAME_MAX, "br-%.12s", network->name);
	} else {
		network_device_mac(home, network, mac);
		snprintf(ret, NIC_NAME_MAX, "br-%02x%02x%02x%02x", mac[2], mac[3], mac[4], mac[5]);
	}
}

static int plan_device(const struct network_home *home, int sock, struct network *network,
		       struct err *err)
{
	char name[NIC_NAME_MAX];
	struct err absent = ERR_INIT;
	struct link link;

	if (network->type == NETWORK_MACVLAN) {
		mem_replace(&network->device, network->parent);
		return 0;
	}
	plan_device_name(home, network, name);
	if (!network->device)
		network->device = mem_strdup(name);
	if (!nic_name_is_valid(network->device))
		return err_set(err, -EINVAL, "'%.64s' is no name for an interface",
			       network->device);
	if (link_find(sock, network->device, &link, &absent) == 0)
		return err_set(err, -EEXIST,
			       "the host has an interface '%s' already; give the network's another "
			       "name by --device",
			       network->device);
	return 0;
}

static int plan_check_parent(int sock, const struct network *network, struct err *err)
{
	struct link link;

	if (network->type == NETWORK_MACVLAN && !network->parent)
		return err_set(err, -EINVAL,
			       "a macvlan network needs --parent, an interface of the host's");
	if (network->vlan && !network->parent)
		return err_set(err, -EINVAL, "--vlan is about the interface of --parent");
	return network->parent ? link_find(sock, network->parent, &link, err) : 0;
}

int plan_check(const struct network *network, struct err *err)
{
	int64_t least = network->ipv6 ? PLAN_MTU_MIN6 : PLAN_MTU_MIN;

	if (network->mtu && (network->mtu < least || network->mtu > PLAN_MTU_MAX))
		return err_set(err, -EINVAL, "an MTU is from %jd to %d", (intmax_t)least,
			       PLAN_MTU_MAX);
	if (network->vlan < 0 || network->vlan > PLAN_VLAN_MAX)
		return err_set(err, -EINVAL, "a VLAN's number is from 1 to %d", PLAN_VLAN_MAX);
	if (network->internal && network->parent)
		return err_set(err, -EINVAL, "a network with a parent is not internal");
	return 0;
}

int plan_network(const struct network_home *home, struct network *network, enum plan_family ipv4,
		 enum plan_family ipv6, struct err *err)
{
	_cleanup_(plan_taken_release) struct plan_taken taken = { 0 };
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);
	int r = sock < 0 ? sock : plan_check(network, err);

	if (r == 0)
		r = plan_check_parent(sock, network, err);
	if (r == 0)
		r = plan_device(home, sock, network, err);
	/* networks first, since what is theirs is the host's too, and their name says more */
	if (r == 0)
		r = plan_take_networks(&taken, home, err);
	if (r == 0)
		r = plan_take_host(&taken, sock, err);
	if (r == 0)
		r = plan_subnet(&taken, network, AF_INET, ipv4, &network->ipv4, err);
	if (r == 0)
		r = plan_subnet(&taken, network, AF_INET6, ipv6, &network->ipv6, err);
	return r;
}
