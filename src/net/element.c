// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/element.h"
#include "base/mem.h"
#include "net/acl_chain.h"
#include "net/publish.h"
#include "net/subnet.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

enum element_field {
	ELEMENT_END,
	ELEMENT_IFNAME,
	ELEMENT_OIFNAME,
	ELEMENT_MAC,
	ELEMENT_IP,
	ELEMENT_IP6,
	ELEMENT_TARGET, /* an IPv6 address that nft only knows as a place in a packet */
	ELEMENT_PROTOCOL,
	ELEMENT_SERVICE,
	ELEMENT_VERDICT,
};

static void element_format_ifname(const uint8_t *at, struct buf *text)
{
	buf_printf(text, "\"%.*s\"", IFNAMSIZ, (const char *)at);
}

static void element_format_mac(const uint8_t *at, struct buf *text)
{
	char mac[NIC_MAC_TEXT];

	buf_add_str(text, nic_format_mac(at, mac));
}

static void element_format_ip(const uint8_t *at, struct buf *text)
{
	char address[INET_ADDRSTRLEN];

	buf_add_str(text, inet_ntop(AF_INET, at, address, sizeof(address)));
}

static void element_format_ip6(const uint8_t *at, struct buf *text)
{
	char address[INET6_ADDRSTRLEN];

	buf_add_str(text, inet_ntop(AF_INET6, at, address, sizeof(address)));
}

static void element_format_target(const uint8_t *at, struct buf *text)
{
	buf_add_str(text, "0x");
	for (size_t i = 0; i < 16; i++)
		buf_printf(text, "%02x", at[i]);
}

static void element_format_protocol(const uint8_t *at, struct buf *text)
{
	buf_add_str(text, *at == IPPROTO_UDP ? "udp" : "tcp");
}

static void element_format_service(const uint8_t *at, struct buf *text)
{
	buf_printf(text, "%d", at[0] << 8 | at[1]);
}

/* A row: a type of nft's, and how many bytes of a key it takes. */
static const struct {
	const char *type;
	size_t size;
	void (*format)(const uint8_t *at, struct buf *text);
} element_fields[] = {
	[ELEMENT_IFNAME] = { "iifname", IFNAMSIZ, element_format_ifname },
	[ELEMENT_OIFNAME] = { "oifname", IFNAMSIZ, element_format_ifname },
	[ELEMENT_MAC] = { "ether saddr", 8, element_format_mac },
	[ELEMENT_IP] = { "ip saddr", 4, element_format_ip },
	[ELEMENT_IP6] = { "ip6 saddr", 16, element_format_ip6 },
	[ELEMENT_TARGET] = { "@th,64,128", 16, element_format_target },
	[ELEMENT_PROTOCOL] = { "meta l4proto", 4, element_format_protocol },
	[ELEMENT_SERVICE] = { "th dport", 4, element_format_service },
	[ELEMENT_VERDICT] = { "verdict", 0, NULL },
};

#define ELEMENT_FIELDS_MAX 4

/* Of an ACL's place, from 1. */
#define ELEMENT_PLACE(place)                                                               \
	[ELEMENT_ACL_IN1 +                                                                 \
		(place)-1] = { "acl_in" #place, { ELEMENT_IFNAME }, { ELEMENT_VERDICT } }, \
		[ELEMENT_ACL_OUT1 +                                                        \
			(place)-1] = { "acl_out" #place, { ELEMENT_IFNAME }, { ELEMENT_VERDICT } }

static const struct {
	const char *name;
	enum element_field key[ELEMENT_FIELDS_MAX], data[ELEMENT_FIELDS_MAX];
} element_sets[ELEMENT_SETS] = {
	[ELEMENT_PORTS] = { "ports", { ELEMENT_IFNAME }, { 0 } },
	[ELEMENT_MACS] = { "macs", { ELEMENT_IFNAME, ELEMENT_MAC }, { 0 } },
	[ELEMENT_ADDRESSES] = { "addresses", { ELEMENT_IFNAME, ELEMENT_IP }, { 0 } },
	[ELEMENT_ADDRESSES6] = { "addresses6", { ELEMENT_IFNAME, ELEMENT_IP6 }, { 0 } },
	[ELEMENT_TARGETS6] = { "targets6", { ELEMENT_IFNAME, ELEMENT_TARGET }, { 0 } },
	[ELEMENT_UNBOUND] = { "unbound", { ELEMENT_IFNAME }, { 0 } },
	[ELEMENT_LOOPS] = { "loops", { ELEMENT_IFNAME, ELEMENT_OIFNAME }, { 0 } },
	[ELEMENT_ACL_IN] = { "acl_in", { ELEMENT_IFNAME }, { ELEMENT_VERDICT } },
	[ELEMENT_ACL_OUT] = { "acl_out", { ELEMENT_IFNAME }, { ELEMENT_VERDICT } },
	ELEMENT_PLACE(1),
	ELEMENT_PLACE(2),
	ELEMENT_PLACE(3),
	ELEMENT_PLACE(4),
	ELEMENT_PLACE(5),
	ELEMENT_PLACE(6),
	ELEMENT_PLACE(7),
	ELEMENT_PLACE(8),
	[ELEMENT_ENDS] = { "ends", { ELEMENT_IFNAME }, { 0 } },
	[ELEMENT_PUBLISHED] = { "published",
				{ ELEMENT_PROTOCOL, ELEMENT_SERVICE },
				{ ELEMENT_IP, ELEMENT_SERVICE } },
	[ELEMENT_PUBLISHED6] = { "published6",
				 { ELEMENT_PROTOCOL, ELEMENT_SERVICE },
				 { ELEMENT_IP6, ELEMENT_SERVICE } },
	[ELEMENT_PUBLISHED_AT] = { "published_at",
				   { ELEMENT_IP, ELEMENT_PROTOCOL, ELEMENT_SERVICE },
				   { ELEMENT_IP, ELEMENT_SERVICE } },
	[ELEMENT_PUBLISHED_AT6] = { "published_at6",
				    { ELEMENT_IP6, ELEMENT_PROTOCOL, ELEMENT_SERVICE },
				    { ELEMENT_IP6, ELEMENT_SERVICE } },
	[ELEMENT_BESIDE] = { "beside", { ELEMENT_IFNAME, ELEMENT_IP }, { 0 } },
	[ELEMENT_BESIDE6] = { "beside6", { ELEMENT_IFNAME, ELEMENT_IP6 }, { 0 } },
	[ELEMENT_NAMES] = { "names", { ELEMENT_IP }, { ELEMENT_SERVICE } },
	[ELEMENT_NAMES6] = { "names6", { ELEMENT_IP6 }, { ELEMENT_SERVICE } },
	[ELEMENT_VIEWS] = { "views", { ELEMENT_IFNAME, ELEMENT_SERVICE }, { 0 } },
};

const char *element_set_name(enum element_set set)
{
	return element_sets[set].name;
}

static void element_declare_fields(const enum element_field *fields, struct buf *text)
{
	for (size_t i = 0; i < ELEMENT_FIELDS_MAX && fields[i]; i++)
		buf_printf(text, "%s%s", i ? " . " : "", element_fields[fields[i]].type);
}

/* "typeof" with one's words, since a place in a packet has no type of its own. */
void element_declare(enum element_set set, struct buf *text)
{
	int is_map = element_sets[set].data[0] != ELEMENT_END;

	buf_printf(text, "%s %s { typeof ", is_map ? "map" : "set", element_sets[set].name);
	element_declare_fields(element_sets[set].key, text);
	if (is_map)
		buf_add_str(text, " : ");
	element_declare_fields(element_sets[set].data, text);
}

static void element_format_fields(const enum element_field *fields, const uint8_t *at,
				  struct buf *text)
{
	for (size_t i = 0; i < ELEMENT_FIELDS_MAX && fields[i]; i++) {
		if (i)
			buf_add_str(text, " . ");
		element_fields[fields[i]].format(at, text);
		at += element_fields[fields[i]].size;
	}
}

void element_format(const struct element *element, struct buf *text)
{
	element_format_fields(element_sets[element->set].key, element->of.key, text);
	if (*element->of.jump)
		buf_printf(text, " : jump %s", element->of.jump);
	if (!element->of.data_len)
		return;
	buf_add_str(text, " : ");
	element_format_fields(element_sets[element->set].data, element->of.data, text);
}

void elements_release(struct elements *elements)
{
	free(elements->items);
	*elements = (struct elements){ .n = 0 };
}

static struct element *elements_add(struct elements *elements, enum element_set set)
{
	struct element *element;

	elements->items = mem_realloc(elements->items, elements->n + 1, sizeof(*elements->items));
	element = &elements->items[elements->n++];
	*element = (struct element){ .set = set, .of = { .set = element_sets[set].name } };
	return element;
}

static void elements_add_bound(struct elements *elements, enum element_set set, const char *device,
			       const void *value, size_t len)
{
	struct element *element = elements_add(elements, set);
	char name[IFNAMSIZ] = { 0 };

	memcpy(name, device, strlen(device));
	nftset_add_key(&element->of, name, sizeof(name));
	if (len)
		nftset_add_key(&element->of, value, len);
}

static void elements_add_loop(struct elements *elements, const char *device)
{
	char name[IFNAMSIZ] = { 0 };

	memcpy(name, device, strlen(device));
	elements_add_bound(elements, ELEMENT_LOOPS, device, name, sizeof(name));
}

static void elements_add_station(struct elements *elements, const struct port *port)
{
	struct subnet ip, ip6;
	uint8_t mac[6];

	if (nic_parse_mac(port->mac, mac) < 0)
		return;
	elements_add_bound(elements, ELEMENT_PORTS, port->device, NULL, 0);
	elements_add_bound(elements, ELEMENT_MACS, port->device, mac, sizeof(mac));
	if ((!port->ip || !*port->ip) && (!port->ip6 || !*port->ip6))
		elements_add_bound(elements, ELEMENT_UNBOUND, port->device, NULL, 0);
	if (port->ip && subnet_parse_address(port->ip, &ip) == 0 && ip.family == AF_INET)
		elements_add_bound(elements, ELEMENT_ADDRESSES, port->device, ip.address, 4);
	if (!port->ip6 || subnet_parse_address(port->ip6, &ip6) < 0 || ip6.family != AF_INET6)
		return;
	elements_add_bound(elements, ELEMENT_ADDRESSES6, port->device, ip6.address, 16);
	elements_add_bound(elements, ELEMENT_TARGETS6, port->device, ip6.address, 16);
}

static void elements_add_jump(struct elements *elements, int set, const char *device,
			      const char *chain)
{
	elements_add_bound(elements, (enum element_set)set, device, NULL, 0);
	snprintf(elements->items[elements->n - 1].of.jump, NFTSET_CHAIN_MAX, "%s", chain);
}

struct element_acls {
	int places[ACL_DIRECTIONS]; /* for the next one */
	int is_closed[ACL_DIRECTIONS];
};

static void elements_add_acl(struct elements *elements, const struct network_home *home,
			     const char *device, const char *name, struct element_acls *acls)
{
	_cleanup_acl_ struct acl acl = { 0 };
	struct err unreadable = ERR_INIT;
	int r = acl_load(home, name, &acl, &unreadable);
	char chain[ACL_CHAIN_NAME_MAX];

	for (int side = 0; side < ACL_DIRECTIONS; side++) {
		if (r == 0 && !acl_has(&acl, (enum acl_direction)side))
			continue;
		acls->is_closed[side] = 1;
		acl_chain_name(name, (enum acl_direction)side, chain);
		if (r == 0)
			elements_add_jump(elements, acls->places[side]++, device, chain);
	}
}

/* In a direction without rules what passes is noted, for the answers. */
static void elements_add_acls(struct elements *elements, const struct network_home *home,
			      const struct port *port)
{
	struct element_acls acls = { .places = { ELEMENT_ACL_IN1, ELEMENT_ACL_OUT1 } };
	_cleanup_network_ struct network network = { 0 };
	_cleanup_strv_ char **names = NULL;
	struct err unreadable = ERR_INIT;

	if (port->network && network_load(home, port->network, &network, &unreadable) < 0)
		acls.is_closed[ACL_INGRESS] = acls.is_closed[ACL_EGRESS] = 1;
	names = port_acls(port, &network);
	for (size_t i = 0; i < ACLS_MAX && names && names[i]; i++)
		elements_add_acl(elements, home, port->device, names[i], &acls);
	if (!acls.is_closed[ACL_INGRESS] && !acls.is_closed[ACL_EGRESS])
		return;
	elements_add_jump(elements, ELEMENT_ACL_IN, port->device,
			  acls.is_closed[ACL_INGRESS] ? "acl_in" : "acl_in_open");
	elements_add_jump(elements, ELEMENT_ACL_OUT, port->device,
			  acls.is_closed[ACL_EGRESS] ? "acl_out" : "acl_out_open");
}

static void elements_add_published(struct elements *elements, const struct publish *publish,
				   unsigned int i, const struct subnet *to)
{
	uint16_t host = htons((uint16_t)(publish->host + i));
	uint16_t inside = htons((uint16_t)(publish->inside + i));
	uint8_t protocol = (uint8_t)publish->protocol;
	int six = to->family == AF_INET6;
	size_t len = six ? 16 : 4;
	struct element *element;

	if (publish->address.family) {
		element =
			elements_add(elements, six ? ELEMENT_PUBLISHED_AT6 : ELEMENT_PUBLISHED_AT);
		nftset_add_key(&element->of, publish->address.address, len);
	} else {
		element = elements_add(elements, six ? ELEMENT_PUBLISHED6 : ELEMENT_PUBLISHED);
	}
	nftset_add_key(&element->of, &protocol, 1);
	nftset_add_key(&element->of, &host, 2);
	nftset_add_data(&element->of, to->address, len);
	nftset_add_data(&element->of, &inside, 2);
}

static void elements_add_publish(struct elements *elements, const struct publish *publish,
				 const char *address)
{
	struct subnet to;

	if (!address || subnet_parse_address(address, &to) < 0 ||
	    (publish->address.family && publish->address.family != to.family))
		return;
	for (unsigned int i = 0; i < publish->count; i++)
		elements_add_published(elements, publish, i, &to);
}

static void elements_add_names(struct elements *elements, const char *address, int64_t port)
{
	uint16_t service = htons((uint16_t)port);
	struct subnet from;
	struct element *element;
	int six;

	if (!address || subnet_parse_address(address, &from) < 0)
		return;
	six = from.family == AF_INET6;
	element = elements_add(elements, six ? ELEMENT_NAMES6 : ELEMENT_NAMES);
	nftset_add_key(&element->of, from.address, six ? 16 : 4);
	nftset_add_data(&element->of, &service, sizeof(service));
}

static void elements_add_beside(struct elements *elements, const char *bridge, const char *address)
{
	struct subnet to;

	if (!address || subnet_parse_address(address, &to) < 0 || strlen(bridge) >= IFNAMSIZ)
		return;
	if (to.family == AF_INET)
		elements_add_bound(elements, ELEMENT_BESIDE, bridge, to.address, 4);
	else
		elements_add_bound(elements, ELEMENT_BESIDE6, bridge, to.address, 16);
}

void elements_of_port(const struct network_home *home, const struct port *port,
		      struct elements *ret)
{
	if (strlen(port->device) >= IFNAMSIZ)
		return;
	elements_add_bound(ret, ELEMENT_ENDS, port->device, NULL, 0);
	if (!port->trusted)
		elements_add_station(ret, port);
	elements_add_acls(ret, home, port);
	if (port->names_port && port->bridge && strlen(port->bridge) < IFNAMSIZ) {
		uint16_t service = htons((uint16_t)port->names_port);

		elements_add_bound(ret, ELEMENT_VIEWS, port->bridge, &service, sizeof(service));
		elements_add_names(ret, port->ip, port->names_port);
		elements_add_names(ret, port->ip6, port->names_port);
	}
	strv_for_each(bridge, port->beside) {
		elements_add_beside(ret, *bridge, port->ip);
		elements_add_beside(ret, *bridge, port->ip6);
	}
	if (port->publish)
		elements_add_loop(ret, port->device);
	strv_for_each(text, port->publish) {
		struct publish publish;
		struct err ignored = ERR_INIT;

		if (publish_parse(*text, &publish, &ignored) < 0)
			continue;
		elements_add_publish(ret, &publish, port->ip);
		elements_add_publish(ret, &publish, port->ip6);
	}
}
