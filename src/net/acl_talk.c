// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/acl_talk.h"
#include "base/mem.h"
#include "net/acl.h"
#include "net/port.h"
#include "sys/netlink.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <string.h>

#define ACL_TALK_CHUNK	  512 /* elements in a batch; one that is refused takes the others with it */
#define ACL_TALK_DNS_PORT 53

/* One direction of a port's: its rules in their order. */
struct acl_judge_side {
	int is_closed;
	struct acl_rule *rules;
	size_t n;
};

struct acl_judge_port {
	char device[IFNAMSIZ];
	int is_noted; /* one of its directions is closed */
	struct acl_judge_side sides[ACL_DIRECTIONS];
	struct subnet gateways[2]; /* which it may always ask for names */
};

/* A network that a rule is about, with what it has of each family. */
struct acl_judge_network {
	char name[ACL_NAME_MAX];
	struct subnet subnets[2];
};

struct acl_judge {
	struct acl_judge_port *ports;
	size_t n_ports;
	struct acl_judge_network *networks;
	size_t n_networks;
};

void acl_judge_free(struct acl_judge *judge)
{
	for (size_t i = 0; judge && i < judge->n_ports; i++) {
		for (size_t side = 0; side < ACL_DIRECTIONS; side++)
			free(judge->ports[i].sides[side].rules);
	}
	if (judge) {
		free(judge->ports);
		free(judge->networks);
	}
	free(judge);
}

static void acl_judge_parse_subnets(const struct network *network, struct subnet ret[2])
{
	const char *const texts[] = { network->ipv4, network->ipv6 };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!texts[i] || subnet_parse(texts[i], &ret[i]) < 0)
			ret[i] = (struct subnet){ .family = 0 };
	}
}

static void acl_judge_add_network(struct acl_judge *judge, const struct network_home *home,
				  const char *name)
{
	struct acl_judge_network *known;
	_cleanup_network_ struct network network = { 0 };
	struct err unreadable = ERR_INIT;

	for (size_t i = 0; i < judge->n_networks; i++) {
		if (!strcmp(judge->networks[i].name, name))
			return;
	}
	judge->networks =
		mem_realloc(judge->networks, judge->n_networks + 1, sizeof(*judge->networks));
	known = &judge->networks[judge->n_networks++];
	*known = (struct acl_judge_network){ .name = "" };
	memcpy(known->name, name, strlen(name) + 1);
	if (network_load(home, name, &network, &unreadable) == 0)
		acl_judge_parse_subnets(&network, known->subnets);
}

static void acl_judge_add_rule(struct acl_judge *judge, const struct network_home *home,
			       struct acl_judge_port *port, const char *text)
{
	struct err unreadable = ERR_INIT;
	struct acl_judge_side *side;
	struct acl_rule rule;

	if (acl_rule_parse(text, &rule, &unreadable) < 0)
		return;
	if (*rule.network)
		acl_judge_add_network(judge, home, rule.network);
	side = &port->sides[rule.direction];
	side->is_closed = 1;
	side->rules = mem_realloc(side->rules, side->n + 1, sizeof(*side->rules));
	side->rules[side->n++] = rule;
}

static void acl_judge_close(struct acl_judge_port *port)
{
	for (size_t side = 0; side < ACL_DIRECTIONS; side++)
		port->sides[side].is_closed = 1;
}

/* In the same order, and as closed where a record cannot be read, as its elements are (net/element.h). */
static void acl_judge_add_port(struct acl_judge *judge, const struct network_home *home,
			       const struct port *record)
{
	struct acl_judge_port *port;
	_cleanup_network_ struct network network = { 0 };
	_cleanup_strv_ char **names = NULL;
	struct err unreadable = ERR_INIT;

	judge->ports = mem_realloc(judge->ports, judge->n_ports + 1, sizeof(*judge->ports));
	port = &judge->ports[judge->n_ports++];
	*port = (struct acl_judge_port){ .is_noted = 0 };
	memcpy(port->device, record->device, strlen(record->device) + 1);
	if (record->network && network_load(home, record->network, &network, &unreadable) < 0)
		acl_judge_close(port);
	if (!network_is_on_wire(&network))
		acl_judge_parse_subnets(&network, port->gateways);
	names = port_acls(record, &network);
	for (size_t i = 0; i < ACLS_MAX && names && names[i]; i++) {
		_cleanup_acl_ struct acl acl = { 0 };

		unreadable = ERR_INIT;
		if (acl_load(home, names[i], &acl, &unreadable) < 0)
			acl_judge_close(port);
		strv_for_each(text, acl.rules)
			acl_judge_add_rule(judge, home, port, *text);
	}
	for (size_t side = 0; side < ACL_DIRECTIONS; side++)
		port->is_noted |= port->sides[side].is_closed;
}

struct acl_judge *acl_judge_new(const struct network_home *home)
{
	_cleanup_port_list_ struct port_list ports = { 0 };
	struct acl_judge *judge = mem_zalloc(sizeof(*judge));

	port_list_load(home, NULL, &ports);
	for (size_t i = 0; i < ports.n; i++) {
		if (strlen(ports.items[i].device) < IFNAMSIZ)
			acl_judge_add_port(judge, home, &ports.items[i]);
	}
	return judge;
}

static int acl_judge_is_peer(const struct acl_judge *judge, const struct acl_rule *rule,
			     const struct subnet *there)
{
	if (rule->peer.family)
		return subnet_holds(&rule->peer, there);
	if (!*rule->network)
		return 1;
	for (size_t i = 0; i < judge->n_networks; i++) {
		const struct acl_judge_network *network = &judge->networks[i];

		if (!strcmp(network->name, rule->network))
			return subnet_holds(&network->subnets[0], there) ||
			       subnet_holds(&network->subnets[1], there);
	}
	return 0;
}

static int acl_judge_is_service(const struct acl_rule *rule, const struct acl_talk *talk)
{
	uint16_t port = rule->direction == ACL_INGRESS ? talk->port_here : talk->port_there;

	if (rule->protocol && rule->protocol != talk->protocol)
		return 0;
	for (size_t i = 0; i < rule->n_ports; i++) {
		if (port >= rule->ports[i].first && port <= rule->ports[i].last)
			return 1;
	}
	return !rule->n_ports;
}

static int acl_judge_allows_side(const struct acl_judge *judge, const struct acl_judge_side *side,
				 const struct subnet *there, const struct acl_talk *talk)
{
	for (size_t i = 0; i < side->n; i++) {
		const struct acl_rule *rule = &side->rules[i];

		if (acl_judge_is_peer(judge, rule, there) && acl_judge_is_service(rule, talk))
			return rule->action == ACL_ALLOW;
	}
	return !side->is_closed;
}

/* What passes without a rule, and is noted (net/acl_chain.c). */
static int acl_judge_is_lookup(const struct acl_judge_port *port, const struct subnet *there,
			       const struct acl_talk *talk)
{
	struct subnet link_local;

	subnet_parse_address(NETWORK_LINK_LOCAL, &link_local);
	if (talk->port_there != ACL_TALK_DNS_PORT)
		return 0;
	return subnet_same_address(&port->gateways[0], there) ||
	       subnet_same_address(&port->gateways[1], there) ||
	       subnet_same_address(&link_local, there);
}

int acl_judge_allows(const struct acl_judge *judge, const struct acl_talk *talk)
{
	struct subnet there = { .family = talk->family,
				.prefix = talk->family == AF_INET ? 32 : 128 };
	const struct acl_judge_port *port = NULL;

	memcpy(there.address, talk->there, sizeof(there.address));
	for (size_t i = 0; i < judge->n_ports && !port; i++) {
		if (!strcmp(judge->ports[i].device, talk->device))
			port = &judge->ports[i];
	}
	if (!port || !port->is_noted)
		return 0;
	return acl_judge_is_lookup(port, &there, talk) ||
	       acl_judge_allows_side(judge, &port->sides[ACL_INGRESS], &there, talk) ||
	       acl_judge_allows_side(judge, &port->sides[ACL_EGRESS], &there, talk);
}

/* --- the sets --- */

int acl_talk_parse(const struct nftset_element *element, struct acl_talk *ret)
{
	int six = !strcmp(element->set, ACL_TALK_SET6);
	size_t ip = six ? 16 : 4, at = IFNAMSIZ + 2 * ip;
	const uint8_t *key = element->key;

	/* device, here, there, protocol, port here, port there, each in whole words */
	if (element->key_len != at + (size_t)3 * 4 || key[IFNAMSIZ - 1])
		return -EINVAL;
	*ret = (struct acl_talk){ .device = (const char *)key,
				  .family = six ? AF_INET6 : AF_INET,
				  .protocol = key[at],
				  .port_here = (uint16_t)(key[at + 4] << 8 | key[at + 5]),
				  .port_there = (uint16_t)(key[at + 8] << 8 | key[at + 9]) };
	memcpy(ret->there, key + IFNAMSIZ + ip, ip);
	return 0;
}

struct acl_talks_load {
	const struct acl_judge *judge;
	struct acl_talks *talks;
	size_t room;
};

static void acl_talks_add(void *ctx, const struct nftset_element *element)
{
	struct acl_talks_load *load = ctx;
	struct acl_talks *talks = load->talks;
	struct acl_talk talk;

	if (acl_talk_parse(element, &talk) < 0 || !acl_judge_allows(load->judge, &talk))
		return;
	if (talks->n == load->room) {
		load->room = load->room ? 2 * load->room : 64;
		talks->items = mem_realloc(talks->items, load->room, sizeof(*talks->items));
	}
	talks->items[talks->n++] = *element;
}

void acl_talks_release(struct acl_talks *talks)
{
	free(talks->items);
	*talks = (struct acl_talks){ .n = 0 };
}

void acl_talks_load(const struct network_home *home, const char *table, struct acl_talks *ret)
{
	static const char *const sets[] = { ACL_TALK_SET, ACL_TALK_SET6 };
	struct err ignored = ERR_INIT;
	_cleanup_close_ int sock = netlink_open(NETLINK_NETFILTER, -EBADF, &ignored);
	_cleanup_acl_judge_ struct acl_judge *judge = NULL;
	struct acl_talks_load load = { .talks = ret };

	*ret = (struct acl_talks){ .n = 0 };
	load.judge = judge = acl_judge_new(home);
	for (size_t i = 0; sock >= 0 && i < ARRAY_SIZE(sets); i++) {
		ignored = ERR_INIT;
		(void)nftset_list(sock, NFPROTO_BRIDGE, table, sets[i], acl_talks_add, &load,
				  &ignored);
	}
}

void acl_talks_restore(const char *table, const struct acl_talks *talks)
{
	struct err ignored = ERR_INIT;
	_cleanup_close_ int sock =
		talks->n ? netlink_open(NETLINK_NETFILTER, -EBADF, &ignored) : -EBADF;

	for (size_t i = 0; sock >= 0 && i < talks->n; i += ACL_TALK_CHUNK) {
		size_t n = talks->n - i < ACL_TALK_CHUNK ? talks->n - i : ACL_TALK_CHUNK;

		ignored = ERR_INIT;
		(void)nftset_add(sock, NFPROTO_BRIDGE, table, &talks->items[i], n, &ignored);
	}
}
