// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/acl_chain.h"
#include "net/acl_talk.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define ACL_CHAIN_BEGUN "2m"
#define ACL_CHAIN_TCP \
	"3h" /* longer than keepalives, 2 hours by default, and than RFC 5382 wants at least */
#define ACL_CHAIN_UDP	 "3m"  /* RFC 4787: at least 2 minutes */
#define ACL_CHAIN_PING	 "1m"  /* RFC 5508 */
#define ACL_CHAIN_PIECE	 "30s" /* as the kernel waits for the others */
#define ACL_CHAIN_TALKS	 65536
#define ACL_CHAIN_PIECES 4096

/* nft's words, of each family. */
struct acl_chain_family {
	const char *ip, *suffix, *type, *icmp;
	const char *piece_id, *is_piece, *has_more;
};

static const struct acl_chain_family acl_chain_families[] = {
	{ "ip", "", "ipv4_addr", "icmp", "ip id", "ip frag-off & 0x1fff != 0",
	  "ip frag-off & 0x2000 != 0" },
	{ "ip6", "6", "ipv6_addr", "icmpv6", "frag id", "frag frag-off != 0",
	  "frag more-fragments 1" },
};

/* Of each direction: where what is called "here" is the instance. */
struct acl_chain_side {
	const char *name, *base, *hook, *device;
	const char *here, *there, *port_here, *port_there;
	const char *always; /* what passes though no rule allows it */
};

static const struct acl_chain_side acl_chain_sides[ACL_DIRECTIONS] = {
	[ACL_INGRESS] = {
		.name = "in", .base = "acl_ingress", .hook = "postrouting priority 0",
		.device = "oifname",
		.here = "daddr", .there = "saddr", .port_here = "dport", .port_there = "sport",
		.always =
			/* resets are also what the kernel answers by, for `reject` */
			"		tcp flags & (fin | syn | rst) == rst accept\n"
			"		icmp type { destination-unreachable, time-exceeded,"
			" parameter-problem } accept\n"
			"		icmpv6 type { destination-unreachable, packet-too-big,"
			" time-exceeded, parameter-problem } accept\n"
			"		ip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit,"
			" nd-neighbor-advert, nd-router-advert, nd-redirect } accept\n"
			"		ip6 daddr ff02::/16 icmpv6 type { mld-listener-query,"
			" mld-listener-report, mld-listener-done, mld2-listener-report } accept\n"
			"		ether saddr . ip saddr @acl_gateways udp sport 67 udp dport 68"
			" accept\n"
			"		oifname @unbound udp sport 67 udp dport 68 accept\n"
			"		ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept\n",
	},
	[ACL_EGRESS] = {
		.name = "out", .base = "acl_egress", .hook = "prerouting priority -290",
		.device = "iifname",
		.here = "saddr", .there = "daddr", .port_here = "sport", .port_there = "dport",
		.always =
			"		ip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit,"
			" nd-neighbor-advert, nd-router-solicit } accept\n"
			"		ip6 daddr ff02::/16 icmpv6 type { mld-listener-report,"
			" mld-listener-done, mld2-listener-report } accept\n"
			"		ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept\n"
			"		ip6 daddr ff02::1:2 udp sport 546 udp dport 547 accept\n"
			"		ether daddr . ip daddr @acl_gateways udp sport 68 udp dport 67"
			" accept\n"
			"		ether daddr . ip daddr @acl_gateways meta l4proto { tcp, udp }"
			" th dport 53 jump acl_out_begin\n"
			"		ether daddr . ip6 daddr @acl_gateways6 meta l4proto { tcp, udp }"
			" th dport 53 jump acl_out_begin\n",
	},
};

const char acl_chain_probe[] = "table bridge brig-probe {\n"
			       "	chain probe {\n"
			       "		type filter hook prerouting priority 0\n"
			       "		meta l4proto tcp reject with tcp reset\n"
			       "	}\n"
			       "}\n";

const char *acl_chain_name(const char *acl, enum acl_direction direction,
			   char ret[ACL_CHAIN_NAME_MAX])
{
	snprintf(ret, ACL_CHAIN_NAME_MAX, "acl_%.63s_%s", acl, acl_chain_sides[direction].name);
	return ret;
}

/* --- conversations --- */

/* A packet's keys in the sets, from its port's side; a piece is one sender's. */
struct acl_chain_keys {
	char talk[128], ping[128], piece[128];
};

static struct acl_chain_keys acl_chain_make_keys(const struct acl_chain_side *side,
						 const struct acl_chain_family *family)
{
	const char *ip = family->ip;
	struct acl_chain_keys keys = { .talk = "" };

	snprintf(keys.talk, sizeof(keys.talk), "%s . %s %s . %s %s . meta l4proto . th %s . th %s",
		 side->device, ip, side->here, ip, side->there, side->port_here, side->port_there);
	snprintf(keys.ping, sizeof(keys.ping), "%s . %s %s . %s %s . %s id", side->device, ip,
		 side->here, ip, side->there, family->icmp);
	snprintf(keys.piece, sizeof(keys.piece), "%s . %s saddr . %s daddr . %s", side->device, ip,
		 ip, family->piece_id);
	return keys;
}

static void acl_chain_put_sets(const struct acl_chain_family *family, struct buf *ret)
{
	struct acl_chain_keys keys = acl_chain_make_keys(&acl_chain_sides[ACL_EGRESS], family);

	buf_printf(ret,
		   "\tset " ACL_TALK_SET "%s { type ifname . %s . %s . inet_proto . inet_service . "
		   "inet_service; size %d; flags dynamic,timeout; }\n",
		   family->suffix, family->type, family->type, ACL_CHAIN_TALKS);
	buf_printf(ret, "\tset acl_pings%s { typeof %s; size %d; flags dynamic,timeout; }\n",
		   family->suffix, keys.ping, ACL_CHAIN_TALKS);
	buf_printf(ret,
		   "\tset acl_pieces%s { typeof %s; size %d; flags dynamic,timeout; "
		   "timeout " ACL_CHAIN_PIECE "; }\n",
		   family->suffix, keys.piece, ACL_CHAIN_PIECES);
}

static void acl_chain_put_pass(const struct acl_chain_side *side, struct buf *ret)
{
	buf_printf(ret, "\tchain acl_%s_pass {\n", side->name);
	for (size_t i = 0; i < ARRAY_SIZE(acl_chain_families); i++) {
		const struct acl_chain_family *family = &acl_chain_families[i];
		struct acl_chain_keys keys = acl_chain_make_keys(side, family);

		buf_printf(ret, "\t\t%s add @acl_pieces%s { %s }\n", family->has_more,
			   family->suffix, keys.piece);
	}
	buf_add_str(ret, "\t\taccept\n\t}\n");
}

static void acl_chain_put_begin(const struct acl_chain_side *side, struct buf *ret)
{
	buf_printf(ret, "\tchain acl_%s_begin {\n", side->name);
	for (size_t i = 0; i < ARRAY_SIZE(acl_chain_families); i++) {
		const struct acl_chain_family *family = &acl_chain_families[i];
		struct acl_chain_keys keys = acl_chain_make_keys(side, family);

		buf_printf(ret,
			   "\t\tmeta l4proto { tcp, udp } add @acl_talks%s { %s "
			   "timeout " ACL_CHAIN_BEGUN " }\n",
			   family->suffix, keys.talk);
		buf_printf(ret,
			   "\t\t%s type echo-request add @acl_pings%s { %s timeout " ACL_CHAIN_PING
			   " }\n",
			   family->icmp, family->suffix, keys.ping);
	}
	buf_printf(ret, "\t\tjump acl_%s_pass\n\t}\n", side->name);
}

/* timeout: from now on; NULL: as it is. */
static void acl_chain_put_known(const struct acl_chain_side *side, const char *match,
				const char *set, const char *suffix, const char *key,
				const char *timeout, struct buf *ret)
{
	buf_printf(ret, "\t\t%s %s @%s%s ", match, key, set, suffix);
	if (timeout)
		buf_printf(ret, "update @%s%s { %s timeout %s } ", set, suffix, key, timeout);
	buf_printf(ret, "jump acl_%s_pass\n", side->name);
}

/* Only what comes in makes a conversation last. */
static void acl_chain_put_family(const struct acl_chain_side *side,
				 const struct acl_chain_family *family, struct buf *ret)
{
	int is_in = side == &acl_chain_sides[ACL_INGRESS];
	_cleanup_free_ char *echo =
		mem_printf("%s type { echo-request, echo-reply }", family->icmp);
	struct acl_chain_keys keys = acl_chain_make_keys(side, family);

	acl_chain_put_known(side, "meta l4proto tcp", "acl_talks", family->suffix, keys.talk,
			    is_in ? ACL_CHAIN_TCP : NULL, ret);
	acl_chain_put_known(side, "meta l4proto udp", "acl_talks", family->suffix, keys.talk,
			    is_in ? ACL_CHAIN_UDP : NULL, ret);
	acl_chain_put_known(side, echo, "acl_pings", family->suffix, keys.ping,
			    is_in ? ACL_CHAIN_PING : NULL, ret);
	buf_printf(ret, "\t\t%s %s @acl_pieces%s accept\n", family->is_piece, keys.piece,
		   family->suffix);
}

static void acl_chain_put_end(const struct acl_chain_side *side, struct buf *ret)
{
	buf_printf(ret, "\tchain acl_%s_end {\n", side->name);
	for (size_t i = 0; i < ARRAY_SIZE(acl_chain_families); i++) {
		const struct acl_chain_family *family = &acl_chain_families[i];
		struct acl_chain_keys keys = acl_chain_make_keys(side, family);

		acl_chain_put_known(side, "meta l4proto tcp", "acl_talks", family->suffix,
				    keys.talk, ACL_CHAIN_BEGUN, ret);
	}
	buf_add_str(ret, "\t}\n");
}

static void acl_chain_put_side(const struct acl_chain_side *side, struct buf *ret)
{
	int is_in = side == &acl_chain_sides[ACL_INGRESS];
	const char *name = side->name;

	buf_printf(ret, "\tchain %s {\n\t\ttype filter hook %s\n\t\t%s vmap @acl_%s\n\t}\n",
		   side->base, side->hook, side->device, name);
	acl_chain_put_pass(side, ret);
	acl_chain_put_begin(side, ret);
	if (is_in)
		acl_chain_put_end(side, ret);
	buf_printf(ret, "\tchain acl_%s_known {\n", name);
	if (is_in)
		buf_printf(ret, "\t\ttcp flags & (fin | rst) != 0 jump acl_%s_end\n", name);
	for (size_t i = 0; i < ARRAY_SIZE(acl_chain_families); i++)
		acl_chain_put_family(side, &acl_chain_families[i], ret);
	buf_printf(
		ret,
		"\t}\n\tchain acl_%s_open {\n\t\tjump acl_%s_known\n\t\tjump acl_%s_begin\n\t}\n",
		name, name, name);
	buf_printf(ret, "\tchain acl_%s {\n\t\tjump acl_%s_known\n\t\tether type arp accept\n%s",
		   name, name, side->always);
	for (int place = 1; place <= ACLS_MAX; place++)
		buf_printf(ret, "\t\t%s vmap @acl_%s%d\n", side->device, name, place);
	buf_add_str(ret, "\t\tdrop\n\t}\n");
}

/* --- rules --- */

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
			   acl_chain_sides[rule->direction].name);
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

	for (size_t i = 0; i < ARRAY_SIZE(acl_chain_families); i++)
		acl_chain_put_sets(&acl_chain_families[i], ret);
	for (size_t i = 0; i < ACL_DIRECTIONS; i++)
		acl_chain_put_side(&acl_chain_sides[i], ret);
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
