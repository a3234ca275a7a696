// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/subnet.h"
#include "base/mem.h"
#include "base/units.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define SUBNET_MOST ((uint64_t)1 << 32)

static unsigned int subnet_bytes(const struct subnet *subnet)
{
	return subnet->family == AF_INET ? 4 : 16;
}

int subnet_parse_address(const char *text, struct subnet *ret)
{
	*ret = (struct subnet){ .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	ret->prefix = subnet_bytes(ret) * 8;
	return inet_pton(ret->family, text, ret->address) == 1 ? 0 : -EINVAL;
}

int subnet_parse(const char *text, struct subnet *ret)
{
	size_t len = strcspn(text, "/");
	_cleanup_free_ char *address = mem_strndup(text, len);
	struct err ignored = ERR_INIT;
	int64_t prefix = 0;

	if (subnet_parse_address(address, ret) < 0 || !text[len] ||
	    units_parse_int(text + len + 1, 1, ret->prefix, &prefix, &ignored) < 0)
		return -EINVAL;
	ret->prefix = (unsigned int)prefix;
	return 0;
}

const char *subnet_format_address(const struct subnet *subnet, char text[SUBNET_TEXT_MAX])
{
	if (!inet_ntop(subnet->family, subnet->address, text, SUBNET_TEXT_MAX))
		*text = '\0';
	return text;
}

const char *subnet_format(const struct subnet *subnet, char text[SUBNET_TEXT_MAX])
{
	size_t len = strlen(subnet_format_address(subnet, text));

	snprintf(text + len, SUBNET_TEXT_MAX - len, "/%u", subnet->prefix);
	return text;
}

const char *subnet_format_network(const struct subnet *subnet, char text[SUBNET_TEXT_MAX])
{
	struct subnet network;

	subnet_nth(subnet, 0, &network);
	return subnet_format(&network, text);
}

void subnet_route(const struct subnet *subnet, struct route_prefix *ret)
{
	*ret = (struct route_prefix){ .family = subnet->family, .length = subnet->prefix };
	if (subnet->family == AF_INET)
		memcpy(&ret->ip, subnet->address, sizeof(ret->ip));
	else
		memcpy(&ret->ip6, subnet->address, sizeof(ret->ip6));
}

void subnet_of_route(const struct route_prefix *prefix, struct subnet *ret)
{
	*ret = (struct subnet){ .family = prefix->family, .prefix = prefix->length };
	if (prefix->family == AF_INET)
		memcpy(ret->address, &prefix->ip, sizeof(prefix->ip));
	else
		memcpy(ret->address, &prefix->ip6, sizeof(prefix->ip6));
}

/* Whether the first bits of both are the same. */
static int subnet_agree(const struct subnet *a, const struct subnet *b, unsigned int bits)
{
	unsigned int bytes = bits / 8, rest = bits % 8;

	if (a->family != b->family || memcmp(a->address, b->address, bytes) != 0)
		return 0;
	return !rest || !((a->address[bytes] ^ b->address[bytes]) >> (8 - rest));
}

int subnet_overlaps(const struct subnet *a, const struct subnet *b)
{
	return subnet_agree(a, b, a->prefix < b->prefix ? a->prefix : b->prefix);
}

int subnet_holds(const struct subnet *subnet, const struct subnet *address)
{
	return subnet_agree(subnet, address, subnet->prefix);
}

int subnet_same_address(const struct subnet *a, const struct subnet *b)
{
	return subnet_agree(a, b, subnet_bytes(a) * 8);
}

uint64_t subnet_size(const struct subnet *subnet)
{
	unsigned int bits = subnet_bytes(subnet) * 8 - subnet->prefix;

	return bits < 32 ? (uint64_t)1 << bits : SUBNET_MOST;
}

/* The last four bytes of an address. */
static uint32_t subnet_tail(const struct subnet *subnet)
{
	const uint8_t *tail = subnet->address + subnet_bytes(subnet) - 4;

	return (uint32_t)tail[0] << 24 | (uint32_t)tail[1] << 16 | (uint32_t)tail[2] << 8 | tail[3];
}

uint64_t subnet_number(const struct subnet *subnet, const struct subnet *address)
{
	return subnet_tail(address) & (subnet_size(subnet) - 1);
}

void subnet_nth(const struct subnet *subnet, uint64_t number, struct subnet *ret)
{
	unsigned int bytes = subnet_bytes(subnet);
	uint64_t mask = subnet_size(subnet) - 1;
	uint32_t tail;

	*ret = *subnet;
	for (unsigned int i = 0; i < bytes; i++) {
		unsigned int kept = subnet->prefix > i * 8 ? subnet->prefix - i * 8 : 0;

		if (kept < 8)
			ret->address[i] &= (uint8_t)(0xff00 >> kept);
	}
	tail = subnet_tail(ret) | (uint32_t)(number & mask);
	for (unsigned int i = 0; i < 4; i++)
		ret->address[bytes - 1 - i] = (uint8_t)(tail >> (8 * i));
}

void subnet_range(const struct subnet *subnet, uint64_t *ret_first, uint64_t *ret_end)
{
	uint64_t size = subnet_size(subnet);

	*ret_first = 2;
	/* as many as anybody has of IPv6, which has no end */
	if (subnet->family == AF_INET6)
		*ret_end = size < 65536 ? size : 65536;
	else
		*ret_end = size >= 16 ? size - size / 4 : size ? size - 1 : 0;
}

static int subnet_is_free(const struct subnet *subnet, const struct subnet *taken, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (taken[i].prefix && subnet_overlaps(subnet, &taken[i]))
			return 0;
	}
	return 1;
}

/* 10.X.Y.1/24, from a random one on; not 10.0 to 10.31 first, where others' defaults are. */
static int subnet_choose4(const struct subnet *taken, size_t n, uint64_t random, struct subnet *ret)
{
	uint32_t start = 32 * 256 + (uint32_t)(random % (UINT64_C(192) * 256));

	for (uint32_t i = 0; i < 65536; i++) {
		uint32_t net = (start + i) % 65536;

		*ret = (struct subnet){ .family = AF_INET,
					.address = { 10, (uint8_t)(net >> 8), (uint8_t)net, 1 },
					.prefix = 24 };
		if (subnet_is_free(ret, taken, n))
			return 0;
	}
	return -EADDRNOTAVAIL;
}

int subnet_choose(int family, const struct subnet *taken, size_t n, uint64_t random,
		  struct subnet *ret)
{
	if (family == AF_INET)
		return subnet_choose4(taken, n, random, ret);
	do {
		*ret = (struct subnet){ .family = AF_INET6, .address = { 0xfd }, .prefix = 64 };
		memcpy(ret->address + 1, &random, 5);
		ret->address[15] = 1;
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
	} while (!subnet_is_free(ret, taken, n));
	return 0;
}
