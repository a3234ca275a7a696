/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_SUBNET_H
#define NET_SUBNET_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "sys/route.h"

/* An address with the length of its network's prefix, of either family. */
struct subnet {
	int family;	     /* AF_INET or AF_INET6; 0: none */
	uint8_t address[16]; /* the first 4 bytes, or all */
	unsigned int prefix; /* bits */
};

#define SUBNET_TEXT_MAX (INET6_ADDRSTRLEN + 4)

/* ADDRESS/PREFIX. -EINVAL */
int subnet_parse(const char *text, struct subnet *ret);
/* An address alone: its prefix is all of it. */
int subnet_parse_address(const char *text, struct subnet *ret);
const char *subnet_format(const struct subnet *subnet, char text[SUBNET_TEXT_MAX]);
/* The address alone; and the network: the address with nothing behind the prefix. */
const char *subnet_format_address(const struct subnet *subnet, char text[SUBNET_TEXT_MAX]);
const char *subnet_format_network(const struct subnet *subnet, char text[SUBNET_TEXT_MAX]);

/* One family, and the one holds the other or they are the same. */
int subnet_overlaps(const struct subnet *a, const struct subnet *b);
/* The address of `address` is in it. */
int subnet_holds(const struct subnet *subnet, const struct subnet *address);
int subnet_same_address(const struct subnet *a, const struct subnet *b);

/* As rtnetlink has it, and back. */
void subnet_route(const struct subnet *subnet, struct route_prefix *ret);
void subnet_of_route(const struct route_prefix *prefix, struct subnet *ret);

/* How many addresses it has, at most 2^32; the number of an address in it; and the address of a number. */
uint64_t subnet_size(const struct subnet *subnet);
uint64_t subnet_number(const struct subnet *subnet, const struct subnet *address);
void subnet_nth(const struct subnet *subnet, uint64_t number, struct subnet *ret);

/*
 * What instances are given of a subnet, as numbers: from first up to below end. The first address is the host's, the
 * last of IPv4 is for all; the upper quarter of IPv4 is for who asks by DHCP without being an instance.
 */
void subnet_range(const struct subnet *subnet, uint64_t *ret_first, uint64_t *ret_end);

/*
 * A subnet for a new network that overlaps none of taken, with the host's address in it: of IPv4 a /24 of 10.0.0.0/8, of IPv6
 * a /64 with 40 random bits after fd (RFC 4193). random: what there is to choose by. -EADDRNOTAVAIL: all of 10.0.0.0/8
 * is taken.
 */
int subnet_choose(int family, const struct subnet *taken, size_t n, uint64_t random,
		  struct subnet *ret);

#endif
