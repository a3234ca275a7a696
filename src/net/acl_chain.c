// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/acl_chain.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define ACL_CHAIN_BEGUN "2m"
#define ACL_CHAIN_TCP \
	"3h" /* longer than keepalives, 2 hours by default, and than RFC 5382 wants at least */
#define ACL_CHAIN_UDP  "3m" /* RFC 4787: at least 2 minutes */
#define ACL_CHAIN_PING "1m" /* RFC 5508 */
#define ACL_CHAIN_SIZE "65536"

/* The key of a conversation, from the port's side. */
#define ACL_CHAIN_SENT(ip) \
	"iifname . " ip " saddr . " ip " daddr . meta l4proto . th sport . th dport"
#define ACL_CHAIN_GOT(ip) \
	"oifname . " ip " daddr . " ip " saddr . meta l4proto . th dport . th sport"
#define ACL_CHAIN_PINGED(ip)  "iifname . " ip " saddr . " ip " daddr . "
#define ACL_CHAIN_PONGED(ip)  "oifname . " ip " daddr . " ip " saddr . "
#define ACL_CHAIN_PIECE(dev)  dev " . ip saddr . ip daddr . ip id @acl_pieces"
#define ACL_CHAIN_PIECE6(dev) dev " . ip6 saddr . ip6 daddr . frag id @acl_pieces6"

#define ACL_CHAIN_RENEW(match, ip, set, time)                                              \
	"		" match ACL_CHAIN_GOT(ip) " @" set " update @" set                 \
						  " { " ACL_CHAIN_GOT(ip) " timeout " time \
									  " } jump acl_in_pass\n"
#define ACL_CHAIN_RENEW_PING(icmp, ip, set)                                                    \
	"		" icmp " type { echo-request, echo-reply } " ACL_CHAIN_PONGED(ip) icmp \
		" id @" set " update @" set " { " ACL_CHAIN_PONGED(ip) icmp                    \
		" id timeout " ACL_CHAIN_PING " } jump acl_in_pass\n"
#define ACL_CHAIN_BEGIN(side, key, key6, pinged, pinged6)                    \
	"		meta l4proto { tcp, udp } add @acl_talks { " key     \
	" timeout " ACL_CHAIN_BEGUN " }\n"                                   \
	"		meta l4proto { tcp, udp } add @acl_talks6 { " key6   \
	" timeout " ACL_CHAIN_BEGUN " }\n"                                   \
	"		icmp type echo-request add @acl_pings { " pinged     \
	"icmp id timeout " ACL_CHAIN_PING " }\n"                             \
	"		icmpv6 type echo-request add @acl_pings6 { " pinged6 \
	"icmpv6 id timeout " ACL_CHAIN_PING " }\n"                           \
	"		jump acl_" side "_pass\n"
#define ACL_CHAIN_NOTE_PIECES(dev)                                        \
	"		ip frag-off & 0x2000 != 0 add @acl_pieces { " dev \
	" . ip saddr . ip daddr . ip id }\n"                              \
	"		frag more-fragments 1 add @acl_pieces6 { " dev    \
	" . ip6 saddr . ip6 daddr . frag id }\n"                          \
	"		accept\n"

static const char acl_chain_sets[] =
	"	set acl_talks { type ifname . ipv4_addr . ipv4_addr . inet_proto . inet_service"
	" . inet_service; size " ACL_CHAIN_SIZE "; flags dynamic,timeout; }\n"
	"	set acl_talks6 { type ifname . ipv6_addr . ipv6_addr . inet_proto . inet_service"
	" . inet_service; size " ACL_CHAIN_SIZE "; flags dynamic,timeout; }\n"
	"	set acl_pings { typeof iifname . ip saddr . ip daddr . icmp id; "
	"size " ACL_CHAIN_SIZE "; flags dynamic,timeout; }\n"
	"	set acl_pings6 { typeof iifname . ip6 saddr . ip6 daddr . icmpv6 id; "
	"size " ACL_CHAIN_SIZE "; flags dynamic,timeout; }\n"
	"	set acl_pieces { typeof iifname . ip saddr . ip daddr . ip id; size 4096; "
	"flags dynamic,timeout; timeout 30s; }\n"
	"	set acl_pieces6 { typeof iifname . ip6 saddr . ip6 daddr . frag id; size 4096; "
	"flags dynamic,timeout; timeout 30s; }\n";

/* The places of a port's ACLs. */
#define ACL_CHAIN_PLACES(side, dev)                    \
	"		" dev " vmap @acl_" side "1\n" \
	"		" dev " vmap @acl_" side "2\n" \
	"		" dev " vmap @acl_" side "3\n" \
	"		" dev " vmap @acl_" side "4\n" \
	"		" dev " vmap @acl_" side "5\n" \
	"		" dev " vmap @acl_" side "6\n" \
	"		" dev " vmap @acl_" side "7\n" \
	"		" dev " vmap @acl_" side "8\n" \
	"		drop\n"

static const char acl_chain_out[] =
	"	chain acl_egress {\n"
	"		type filter hook prerouting priority -290\n"
	"		iifname vmap @acl_out\n"
	"	}\n"
	"	chain acl_out_pass {\n" ACL_CHAIN_NOTE_PIECES(
		"iifname") "	}\n"
			   "	chain acl_out_begin {\n" ACL_CHAIN_BEGIN(
				   "out", ACL_CHAIN_SENT("ip"), ACL_CHAIN_SENT("ip6"),
				   ACL_CHAIN_PINGED("ip"),
				   ACL_CHAIN_PINGED(
					   "ip6")) "	}\n"
						   "	chain acl_out_open {\n"
						   "		jump acl_out_begin\n"
						   "	}\n"
						   "	chain acl_out {\n"
						   "		ether type arp accept\n"
						   "		ip frag-off & 0x1fff != "
						   "0 " ACL_CHAIN_PIECE(
							   "iifname") " accept\n"
								      "		frag frag-off != "
								      "0 " ACL_CHAIN_PIECE6(
									      "iifname") " accept\n"
											 "	"
											 "	" ACL_CHAIN_SENT(
												 "i"
												 "p") " @acl_talks jump acl_out_pass\n"
												      "		" ACL_CHAIN_SENT(
													      "ip6") " @acl_talks6 jump acl_out_pass\n"
														     "		icmp type { echo-request, echo-reply } " ACL_CHAIN_PINGED(
															     "ip") "icmp id @acl_pings jump acl_out_pass\n"
																   "		icmpv6 type { echo-request, echo-reply } " ACL_CHAIN_PINGED(
																	   "ip6") "icmpv6 id @acl_pings6 jump acl_out_pass\n"
																		  "		ip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert,"
																		  " nd-router-solicit } accept\n"
																		  "		ip6 daddr ff02::/16 icmpv6 type { mld-listener-report, mld-listener-done,"
																		  " mld2-listener-report } accept\n"
																		  "		ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept\n"
																		  "		ip6 daddr ff02::1:2 udp sport 546 udp dport 547 accept\n"
																		  "		ether daddr . ip daddr @acl_gateways udp sport 68 udp dport 67 accept\n"
																		  "		ether daddr . ip daddr @acl_gateways meta l4proto { tcp, udp } th dport 53"
																		  " jump acl_out_begin\n"
																		  "		ether daddr . ip6 daddr @acl_gateways6 meta l4proto { tcp, udp } th dport 53"
																		  " jump acl_out_begin\n" ACL_CHAIN_PLACES(
																			  "out",
																			  "iifname") "	}\n";

static const char acl_chain_in[] =
	"	chain acl_ingress {\n"
	"		type filter hook postrouting priority 0\n"
	"		oifname vmap @acl_in\n"
	"	}\n"
	"	chain acl_in_pass {\n" ACL_CHAIN_NOTE_PIECES(
		"oifname") "	}\n"
			   "	chain acl_in_begin {\n" ACL_CHAIN_BEGIN(
				   "in", ACL_CHAIN_GOT("ip"), ACL_CHAIN_GOT("ip6"),
				   ACL_CHAIN_PONGED("ip"),
				   ACL_CHAIN_PONGED(
					   "ip6")) "	}\n"
						   "	chain acl_in_known {\n" ACL_CHAIN_RENEW(
							   "tcp flags & (fin | rst) != 0 ", "ip",
							   "acl_talks",
							   ACL_CHAIN_BEGUN) ACL_CHAIN_RENEW("tcp "
											    "flags "
											    "& "
											    "(fin "
											    "| "
											    "rst) "
											    "!= 0 ",
											    "ip6",
											    "acl_"
											    "talks"
											    "6",
											    ACL_CHAIN_BEGUN) ACL_CHAIN_RENEW("meta l4proto tcp ",
															     "ip",
															     "acl_talks",
															     ACL_CHAIN_TCP)
							   ACL_CHAIN_RENEW("meta l4proto tcp ", "ip6", "acl_talks6", ACL_CHAIN_TCP) ACL_CHAIN_RENEW(
								   "meta l4proto udp ", "ip",
								   "acl_talks",
								   ACL_CHAIN_UDP) ACL_CHAIN_RENEW("meta l4proto udp ",
												  "ip6",
												  "acl_talks6",
												  ACL_CHAIN_UDP)
								   ACL_CHAIN_RENEW_PING("icmp", "ip", "acl_pings") ACL_CHAIN_RENEW_PING(
									   "icmpv6", "ip6",
									   "acl_pings6") "	}\n"
											 "	cha"
											 "in "
											 "acl_in_"
											 "open {\n"
											 "	"
											 "	jum"
											 "p "
											 "acl_in_"
											 "known\n"
											 "	"
											 "	jum"
											 "p "
											 "acl_in_"
											 "begin\n"
											 "	}\n"
											 "	cha"
											 "in "
											 "acl_in "
											 "{\n"
											 "	"
											 "	eth"
											 "er type "
											 "arp "
											 "accept\n"
											 "	"
											 "	ip "
											 "frag-off "
											 "& 0x1fff "
											 "!= "
											 "0"
											 " " ACL_CHAIN_PIECE(
												 "o"
												 "i"
												 "f"
												 "n"
												 "a"
												 "m"
												 "e") " accept\n"
												      "		frag frag-off != 0 " ACL_CHAIN_PIECE6(
													      "oifname") " accept\n"
															 "		jump acl_in_known\n"
															 "		icmp type { destination-unreachable, time-exceeded, parameter-problem }"
															 " accept\n"
															 "		icmpv6 type { destination-unreachable, packet-too-big, time-exceeded,"
															 " parameter-problem } accept\n"
															 "		ip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert,"
															 " nd-router-advert, nd-redirect } accept\n"
															 "		ip6 daddr ff02::/16 icmpv6 type { mld-listener-query, mld-listener-report,"
															 " mld-listener-done, mld2-listener-report } accept\n"
															 "		ether saddr . ip saddr @acl_gateways udp sport 67 udp dport 68 accept\n"
															 "		oifname @unbound udp sport 67 udp dport 68 accept\n"
															 "		ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept\n" ACL_CHAIN_PLACES(
																 "in",
																 "oifname") "	}\n";

const char acl_chain_probe[] = "table bridge brig-probe {\n"
			       "	chain probe {\n"
			       "		type filter hook prerouting priority 0\n"
			       "		meta l4proto tcp reject with tcp reset\n"
			       "	}\n"
			       "}\n";

static const char *const acl_chain_sides[ACL_DIRECTIONS] = { "in", "out" };

const char *acl_chain_name(const char *acl, enum acl_direction direction,
			   char ret[ACL_CHAIN_NAME_MAX])
{
	snprintf(ret, ACL_CHAIN_NAME_MAX, "acl_%.63s_%s", acl, acl_chain_sides[direction]);
	return ret;
}

/* What a rule is about, but for the peer. */
static void acl_chain_put_match(const struct acl_rule *rule, struct buf *ret)
{
	const char *protocol = rule->protocol == IPPROTO_TCP ? "tcp" : "udp";

	if (rule->protocol == IPPROTO_ICMP)
		buf_add_str(ret, "meta l4proto { icmp, ipv6-icmp } ");
	else if (rule->protocol && !rule->n_ports)
		buf_printf(ret, "meta l4proto %s ", protocol);
	for (size_t i = 0; i < rule->n_ports; i++) {
		buf_printf(ret, i ? ", " : "%s dport { ", protocol);
		buf_printf(ret, "%u", rule->ports[i].first);
		if (rule->ports[i].last != rule->ports[i].first)
			buf_printf(ret, "-%u", rule->ports[i].last);
	}
	buf_add_str(ret, rule->n_ports ? " } " : "");
}

/* The rule, for one peer. */
static void acl_chain_put_rule(const struct acl *acl, const struct acl_rule *rule, const char *peer,
			       int can_reject, struct buf *ret)
{
	_cleanup_buf_ struct buf match = BUF_INIT;

	buf_printf(&match, "\t\t%s", peer);
	acl_chain_put_match(rule, &match);
	if (rule->log)
		buf_printf(ret,
			   "%slimit rate 5/second burst 5 packets log prefix \"brig acl %s: \" "
			   "level info\n",
			   match.data, acl->name);
	if (rule->action == ACL_ALLOW) {
		buf_printf(ret, "%sjump acl_%s_begin\n", match.data,
			   acl_chain_sides[rule->direction]);
		return;
	}
	if (rule->action == ACL_REJECT && rule->direction == ACL_EGRESS && can_reject) {
		if (!rule->protocol)
			buf_printf(ret, "%smeta l4proto tcp reject with tcp reset\n", match.data);
		buf_printf(ret, "%sreject with %s\n", match.data,
			   rule->protocol == IPPROTO_TCP ? "tcp reset"
							 : "icmpx type admin-prohibited");
	}
	buf_printf(ret, "%sdrop\n", match.data);
}

static char *acl_chain_peer(const struct acl_rule *rule, const struct subnet *subnet)
{
	char text[SUBNET_TEXT_MAX];

	if (!subnet->prefix)
		return mem_printf("ether type %s ", subnet->family == AF_INET ? "ip" : "ip6");
	return mem_printf("%s %s %s ", subnet->family == AF_INET ? "ip" : "ip6",
			  rule->direction == ACL_INGRESS ? "saddr" : "daddr",
			  subnet_format_network(subnet, text));
}

/* One rule for each family that the peer is of. */
static void acl_chain_list_peers(const struct network_home *home, const struct acl_rule *rule,
				 char ***ret)
{
	_cleanup_network_ struct network network = { 0 };
	struct err ignored = ERR_INIT;
	struct subnet subnet;

	if (rule->peer.family) {
		strv_add_take(ret, acl_chain_peer(rule, &rule->peer));
	} else if (!*rule->network) {
		strv_add(ret, "");
	} else if (network_load(home, rule->network, &network, &ignored) == 0) {
		if (network.ipv4 && subnet_parse(network.ipv4, &subnet) == 0)
			strv_add_take(ret, acl_chain_peer(rule, &subnet));
		if (network.ipv6 && subnet_parse(network.ipv6, &subnet) == 0)
			strv_add_take(ret, acl_chain_peer(rule, &subnet));
	}
}

static void acl_chain_put(const struct network_home *home, const struct acl *acl,
			  enum acl_direction direction, int can_reject, struct buf *ret)
{
	char name[ACL_CHAIN_NAME_MAX];

	if (!acl_has(acl, direction))
		return;
	buf_printf(ret, "\tchain %s {\n", acl_chain_name(acl->name, direction, name));
	strv_for_each(text, acl->rules) {
		_cleanup_strv_ char **peers = NULL;
		struct err ignored = ERR_INIT;
		struct acl_rule rule;

		if (acl_rule_parse(*text, &rule, &ignored) < 0 || rule.direction != (int)direction)
			continue;
		acl_chain_list_peers(home, &rule, &peers);
		strv_for_each(peer, peers)
			acl_chain_put_rule(acl, &rule, *peer, can_reject, ret);
	}
	buf_add_str(ret, "\t}\n");
}

int acl_chain_put_all(const struct network_home *home, int can_reject, struct buf *ret,
		      struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	int r = acl_names(home, &names, err);

	buf_printf(ret, "%s%s%s", acl_chain_sets, acl_chain_out, acl_chain_in);
	strv_for_each(name, names) {
		_cleanup_acl_ struct acl acl = { 0 };
		struct err unreadable = ERR_INIT;

		/* whose ports then let nothing pass */
		if (acl_load(home, *name, &acl, &unreadable) < 0)
			continue;
		acl_chain_put(home, &acl, ACL_INGRESS, can_reject, ret);
		acl_chain_put(home, &acl, ACL_EGRESS, can_reject, ret);
	}
	return r;
}
