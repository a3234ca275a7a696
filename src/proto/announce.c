// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/announce.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/socket.h>

struct announce_arp {
	struct ether_header ethernet;
	uint16_t hardware, protocol;
	uint8_t hardware_len, protocol_len;
	uint16_t operation;
	uint8_t mac[6], ip[4], target_mac[6], target_ip[4];
} __attribute__((packed));

/* The last option: this is where I am on the wire. */
struct announce_advert {
	struct ether_header ethernet;
	struct ip6_hdr ip6;
	struct nd_neighbor_advert advert;
	uint8_t option, option_words, mac[6];
} __attribute__((packed));

_Static_assert(sizeof(struct announce_advert) == ANNOUNCE_FRAME_MAX, "the larger of both");

static struct ether_header announce_ethernet(const uint8_t from[6], const uint8_t to[6],
					     uint16_t type)
{
	struct ether_header ethernet = { .ether_type = htons(type) };

	memcpy(ethernet.ether_shost, from, 6);
	memcpy(ethernet.ether_dhost, to, 6);
	return ethernet;
}

size_t announce_ip(const struct nic_setup *setup, uint8_t ret[ANNOUNCE_FRAME_MAX])
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct announce_arp frame = { .hardware = htons(ARPHRD_ETHER),
				      .protocol = htons(ETHERTYPE_IP),
				      .hardware_len = 6,
				      .protocol_len = 4,
				      .operation = htons(ARPOP_REQUEST) };

	if (!setup->ip.s_addr)
		return 0;
	frame.ethernet = announce_ethernet(setup->mac, all, ETHERTYPE_ARP);
	memcpy(frame.mac, setup->mac, sizeof(frame.mac));
	memcpy(frame.ip, &setup->ip, sizeof(frame.ip));
	memcpy(frame.target_ip, &setup->ip, sizeof(frame.target_ip));
	memcpy(ret, &frame, sizeof(frame));
	return sizeof(frame);
}

/* RFC 1071, of the message and its pseudo-header: both addresses, the length, the next header. */
static uint16_t announce_checksum(const struct announce_advert *frame)
{
	const size_t len =
		sizeof(frame->advert) + sizeof(*frame) - offsetof(struct announce_advert, option);
	const uint8_t *parts[] = { (const uint8_t *)&frame->ip6.ip6_src,
				   (const uint8_t *)&frame->advert };
	const size_t lens[] = { 2 * sizeof(struct in6_addr), len };
	uint32_t sum = (uint32_t)len + IPPROTO_ICMPV6;

	for (size_t part = 0; part < ARRAY_SIZE(parts); part++) {
		for (size_t i = 0; i < lens[part]; i += 2)
			sum += (uint32_t)(parts[part][i] << 8 | parts[part][i + 1]);
	}
	while (sum >> 16)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return htons((uint16_t)~sum);
}

size_t announce_ip6(const struct nic_setup *setup, uint8_t ret[ANNOUNCE_FRAME_MAX])
{
	static const uint8_t all[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const struct in6_addr all_nodes = { { { 0xff, 2, [15] = 1 } } };
	struct announce_advert frame = { .option = ND_OPT_TARGET_LINKADDR, .option_words = 1 };

	if (IN6_IS_ADDR_UNSPECIFIED(&setup->ip6))
		return 0;
	frame.ethernet = announce_ethernet(setup->mac, all, ETHERTYPE_IPV6);
	frame.ip6.ip6_flow = htonl(UINT32_C(6) << 28);
	frame.ip6.ip6_plen = htons(sizeof(frame) - sizeof(frame.ethernet) - sizeof(frame.ip6));
	frame.ip6.ip6_nxt = IPPROTO_ICMPV6;
	frame.ip6.ip6_hlim = 255;
	frame.ip6.ip6_src = setup->ip6;
	frame.ip6.ip6_dst = all_nodes;
	frame.advert.nd_na_type = ND_NEIGHBOR_ADVERT;
	frame.advert.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
	frame.advert.nd_na_target = setup->ip6;
	memcpy(frame.mac, setup->mac, sizeof(frame.mac));
	frame.advert.nd_na_cksum = announce_checksum(&frame);
	memcpy(ret, &frame, sizeof(frame));
	return sizeof(frame);
}

void announce_send(int sock, int index, const struct nic_setup *setup)
{
	static size_t (*const frames[])(const struct nic_setup *setup,
					uint8_t *ret) = { announce_ip, announce_ip6 };
	const struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = index };

	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		uint8_t frame[ANNOUNCE_FRAME_MAX];
		size_t len = frames[i](setup, frame);

		if (len)
			(void)sendto(sock, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL,
				     (const struct sockaddr *)&to, sizeof(to));
	}
}
