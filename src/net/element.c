// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/element.h"
#include "base/mem.h"
#include "net/publish.h"
#include "net/subnet.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

enum element_field {
	ELEMENT_END,
	ELEMENT_IFNAME,
	ELEMENT_MAC,
	ELEMENT_IP,
	ELEMENT_IP6,
	ELEMENT_TARGET, /* an IPv6 address that nft only knows as a place in a packet */
	ELEMENT_PROTOCOL,
	ELEMENT_SERVICE,
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
	[ELEMENT_MAC] = { "ether saddr", 8, element_format_mac },
	[ELEMENT_IP] = { "ip saddr", 4, element_format_ip },
	[ELEMENT_IP6] = { "ip6 saddr", 16, element_format_ip6 },
	[ELEMENT_TARGET] = { "@th,64,128", 16, element_format_target },
	[ELEMENT_PROTOCOL] = { "meta l4proto", 4, element_format_protocol },
	[ELEMENT_SERVICE] = { "th dport", 4, element_format_service },
};

#define ELEMENT_FIELDS_MAX 4

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

void elements_of_port(const struct port *port, struct elements *ret)
{
	if (strlen(port->device) >= IFNAMSIZ)
		return;
	if (!port->trusted)
		elements_add_station(ret, port);
	strv_for_each(text, port->publish) {
		struct publish publish;
		struct err ignored = ERR_INIT;

		if (publish_parse(*text, &publish, &ignored) < 0)
			continue;
		elements_add_publish(ret, &publish, port->ip);
		elements_add_publish(ret, &publish, port->ip6);
	}
}
