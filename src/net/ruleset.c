// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/ruleset.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/acl_chain.h"
#include "net/acl_talk.h"
#include "net/element.h"
#include "net/subnet.h"
#include "sys/child.h"
#include "sys/netlink.h"
#include "sys/nftset.h"
#include "sys/trail.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define RULESET_FIRST_INET RULESET_BRIDGES

const char *ruleset_name(const struct network_home *home, char ret[RULESET_NAME_MAX])
{
	uint32_t number = network_home_number(home);

	if (number)
		snprintf(ret, RULESET_NAME_MAX, "brig%08x", number);
	else
		snprintf(ret, RULESET_NAME_MAX, "brig");
	return ret;
}

/*
 * What a port sends. An IPv6 address of the link alone is its own choice, but for the gateway's; the target of an advertisement
 * is read as it lies there, since nft 1.0.6 has no word for it. 0.0.0.0 and :: are of who has no address yet, and asks after
 * none but its own. In a first fragment of IPv6 no other header comes between (RFC 7112): the message might begin in a later
 * one, where nothing tells what it is. Only what br_netfilter sends to a published port may come back to who sent it
 * (wire_refresh_port()): one that heard its own questions would take its address for another's.
 */
static const char ruleset_stations[] =
	"	chain prerouting {\n"
	"		type filter hook prerouting priority -300\n"
	"		iifname @ports jump station\n"
	"	}\n"
	"	chain forward {\n"
	"		type filter hook forward priority 0\n"
	"		meta pkttype { broadcast, multicast } iifname . oifname @loops drop\n"
	"	}\n"
	"	chain station {\n"
	"		iifname . ether saddr != @macs drop\n"
	"		iifname @unbound jump unbound\n"
	"		ether type arp jump from_arp\n"
	"		ether type ip jump from_ip\n"
	"		ether type ip6 jump from_ip6\n"
	"		drop\n"
	"	}\n"
	"	chain unbound {\n"
	"		iifname . arp saddr ether != @macs drop\n"
	"		udp sport 67 udp dport 68 drop\n"
	"		frag frag-off 0 frag nexthdr { 0, 43, 44, 60 } drop\n"
	"		icmpv6 type { nd-router-advert, nd-redirect } drop\n"
	"		udp sport 547 udp dport 546 drop\n"
	"		ether type { arp, ip, ip6 } accept\n"
	"		drop\n"
	"	}\n"
	"	chain from_arp {\n"
	"		iifname . arp saddr ether != @macs drop\n"
	"		arp saddr ip 0.0.0.0 iifname . arp daddr ip @addresses accept\n"
	"		iifname . arp saddr ip @addresses accept\n"
	"		drop\n"
	"	}\n"
	"	chain from_ip {\n"
	"		udp sport 67 udp dport 68 drop\n"
	"		iifname . ip saddr @addresses accept\n"
	"		ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept\n"
	"		ip saddr 0.0.0.0 ip protocol igmp accept\n"
	"		drop\n"
	"	}\n"
	"	chain from_ip6 {\n"
	"		frag frag-off 0 frag nexthdr { 0, 43, 44, 60 } drop\n"
	"		icmpv6 type { nd-router-advert, nd-redirect } drop\n"
	"		udp sport 547 udp dport 546 drop\n"
	"		icmpv6 type nd-neighbor-advert jump target\n"
	"		ip6 saddr :: icmpv6 type nd-neighbor-solicit jump target\n"
	"		iifname . ip6 saddr @addresses6 accept\n"
	"		ip6 saddr @gateways6 drop\n"
	"		ip6 saddr fe80::/10 accept\n"
	"		ip6 saddr :: icmpv6 type { nd-neighbor-solicit, nd-router-solicit,"
	" mld2-listener-report } accept\n"
	"		drop\n"
	"	}\n"
	"	chain target {\n"
	"		iifname . @th,64,128 @targets6 return\n"
	"		@th,64,128 @gateway_targets6 drop\n"
	"		@th,64,10 0x3fa return\n"
	"		drop\n"
	"	}\n";

/*
 * Between two ports of one bridge br_netfilter brings packets here, too, where somebody has switched it on ("same").
 * raw: instances may not speak to the host's loopback, which route_localnet would let them; and what comes from a port itself,
 * not by its bridge, was sent to one of the addresses that bridges keep to themselves (IEEE 802.1D), past all rules. forward: between two
 * networks nothing passes, nor into one behind NAT what nobody there asked for, but for published ports. Neighbour
 * discovery, which ACLs let pass, is nobody's behind a router. names: who is on several networks asks somewhere else, and there nobody
 * else may ask, who would hear the names of networks that he is not on. postrouting: an instance answers straight to who is on a network of its,
 * and not back to where a published port led from.
 */
static const char ruleset_ways[] =
	"	chain raw {\n"
	"		type filter hook prerouting priority raw\n"
	"		iifname @ends drop\n"
	"		iifname @bridges ip daddr 127.0.0.0/8 drop\n"
	"	}\n"
	"	chain publish {\n"
	"		meta l4proto { tcp, udp } dnat ip to ip daddr . meta l4proto . th dport "
	"map @published_at\n"
	"		meta l4proto { tcp, udp } dnat ip6 to ip6 daddr . meta l4proto . th dport "
	"map @published_at6\n"
	"		meta l4proto { tcp, udp } dnat ip to meta l4proto . th dport map "
	"@published\n"
	"		meta l4proto { tcp, udp } dnat ip6 to meta l4proto . th dport map "
	"@published6\n"
	"	}\n"
	"	chain names {\n"
	"		meta nfproto ipv4 meta l4proto { tcp, udp } redirect to :ip saddr map "
	"@names\n"
	"		meta nfproto ipv6 meta l4proto { tcp, udp } redirect to :ip6 saddr map "
	"@names6\n"
	"	}\n"
	"	chain input {\n"
	"		type filter hook input priority filter\n"
	"		ct state new meta l4proto { tcp, udp } iifname . th dport @views jump "
	"asked\n"
	"	}\n"
	"	chain asked {\n"
	"		ct status dnat return\n"
	"		drop\n"
	"	}\n"
	"	chain prerouting {\n"
	"		type nat hook prerouting priority dstnat\n"
	"		iifname @bridges meta l4proto { tcp, udp } th dport 53 fib daddr type "
	"local jump "
	"names\n"
	"		fib daddr type local jump publish\n"
	"	}\n"
	"	chain output {\n"
	"		type nat hook output priority -100\n"
	"		fib daddr type local jump publish\n"
	"	}\n"
	"	chain forward {\n"
	"		type filter hook forward priority filter\n"
	"		ct state established,related accept\n"
	"		iifname . oifname @same accept\n"
	"		iifname @bridges icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert,"
	" nd-router-solicit, nd-router-advert, nd-redirect } drop\n"
	"		iifname @internal drop\n"
	"		oifname @internal drop\n"
	"		ct status dnat accept\n"
	"		iifname @bridges oifname @bridges drop\n"
	"		oifname @guarded drop\n"
	"	}\n"
	"	chain postrouting {\n"
	"		type nat hook postrouting priority srcnat\n"
	"		oifname @bridges ip saddr 127.0.0.0/8 masquerade\n"
	"		ct status dnat oifname . ip saddr @hairpin masquerade\n"
	"		ct status dnat oifname . ip6 saddr @hairpin6 masquerade\n"
	"		ct status dnat iifname . ip daddr @beside masquerade\n"
	"		ct status dnat iifname . ip6 daddr @beside6 masquerade\n"
	"		ip saddr @nat oifname != @bridges masquerade\n"
	"		ip6 saddr @nat6 oifname != @bridges masquerade\n"
	"	}\n";

/* What networks bring: sets with whole prefixes, which only come and go with their table. */
enum ruleset_set {
	RULESET_GATEWAYS6, /* in the table of family bridge, as the next ones; the others in that of inet */
	RULESET_GATEWAY_TARGETS6,
	RULESET_ACL_GATEWAYS,
	RULESET_ACL_GATEWAYS6,
	RULESET_BRIDGES,
	RULESET_SAME,
	RULESET_INTERNAL,
	RULESET_GUARDED,
	RULESET_NAT,
	RULESET_NAT6,
	RULESET_HAIRPIN,
	RULESET_HAIRPIN6,
	RULESET_SETS,
};

static const char *const ruleset_sets[RULESET_SETS] = {
	[RULESET_GATEWAYS6] = "set gateways6 { typeof ip6 saddr",
	[RULESET_GATEWAY_TARGETS6] = "set gateway_targets6 { typeof @th,64,128",
	[RULESET_ACL_GATEWAYS] = "set acl_gateways { typeof ether daddr . ip daddr",
	[RULESET_ACL_GATEWAYS6] = "set acl_gateways6 { typeof ether daddr . ip6 daddr",
	[RULESET_BRIDGES] = "set bridges { type ifname",
	[RULESET_SAME] = "set same { type ifname . ifname",
	[RULESET_INTERNAL] = "set internal { type ifname",
	[RULESET_GUARDED] = "set guarded { type ifname",
	[RULESET_NAT] = "set nat { type ipv4_addr; flags interval",
	[RULESET_NAT6] = "set nat6 { type ipv6_addr; flags interval",
	[RULESET_HAIRPIN] = "set hairpin { type ifname . ipv4_addr; flags interval",
	[RULESET_HAIRPIN6] = "set hairpin6 { type ifname . ipv6_addr; flags interval",
};

struct ruleset {
	char **of_networks[RULESET_SETS], **of_ports[ELEMENT_SETS];
};

static void ruleset_release(struct ruleset *ruleset)
{
	for (size_t i = 0; i < RULESET_SETS; i++)
		strv_free(ruleset->of_networks[i]);
	for (size_t i = 0; i < ELEMENT_SETS; i++)
		strv_free(ruleset->of_ports[i]);
}

/* As who sends to it on the wire has it. */
static void ruleset_add_acl_gateway(struct ruleset *ruleset, const uint8_t mac[6],
				    const struct subnet *gateway)
{
	int six = gateway->family == AF_INET6;
	char hardware[NIC_MAC_TEXT], address[SUBNET_TEXT_MAX];

	strv_add_printf(&ruleset->of_networks[six ? RULESET_ACL_GATEWAYS6 : RULESET_ACL_GATEWAYS],
			"%s . %s", nic_format_mac(mac, hardware),
			subnet_format_address(gateway, address));
}

static void ruleset_add_gateway(struct ruleset *ruleset, const uint8_t address[16])
{
	char text[INET6_ADDRSTRLEN];
	_cleanup_buf_ struct buf target = BUF_INIT;

	strv_add(&ruleset->of_networks[RULESET_GATEWAYS6],
		 inet_ntop(AF_INET6, address, text, sizeof(text)));
	for (size_t i = 0; i < 16; i++)
		buf_printf(&target, "%s%02x", i ? "" : "0x", address[i]);
	strv_add_take(&ruleset->of_networks[RULESET_GATEWAY_TARGETS6], buf_take(&target));
}

/* The same of every bridge, and so once among the gateways. */
static void ruleset_add_link_local(struct ruleset *ruleset, const struct network_home *home,
				   const struct network *network)
{
	struct subnet gateway;
	uint8_t mac[6];

	network_device_mac(home, network, mac);
	subnet_parse_address(NETWORK_LINK_LOCAL, &gateway);
	ruleset_add_acl_gateway(ruleset, mac, &gateway);
}

static void ruleset_add_subnet(struct ruleset *ruleset, const struct network_home *home,
			       const struct network *network, const char *text)
{
	char range[SUBNET_TEXT_MAX];
	struct subnet subnet;
	uint8_t mac[6];
	int six;

	if (!text || subnet_parse(text, &subnet) < 0)
		return;
	network_device_mac(home, network, mac);
	ruleset_add_acl_gateway(ruleset, mac, &subnet);
	six = subnet.family == AF_INET6;
	subnet_format_network(&subnet, range);
	if (six)
		ruleset_add_gateway(ruleset, subnet.address);
	strv_add_printf(&ruleset->of_networks[six ? RULESET_HAIRPIN6 : RULESET_HAIRPIN],
			"\"%s\" . %s", network->device, range);
	if (network->nat)
		strv_add(&ruleset->of_networks[six ? RULESET_NAT6 : RULESET_NAT], range);
}

static void ruleset_add_device(struct ruleset *ruleset, enum ruleset_set set,
			       const struct network *network)
{
	strv_add_printf(&ruleset->of_networks[set], "\"%s\"", network->device);
}

static void ruleset_add_network(struct ruleset *ruleset, const struct network_home *home,
				const struct network *network)
{
	if (network->type != NETWORK_BRIDGE || !network->device)
		return;
	ruleset_add_device(ruleset, RULESET_BRIDGES, network);
	strv_add_printf(&ruleset->of_networks[RULESET_SAME], "\"%s\" . \"%s\"", network->device,
			network->device);
	if (network->internal)
		ruleset_add_device(ruleset, RULESET_INTERNAL, network);
	if (network->nat)
		ruleset_add_device(ruleset, RULESET_GUARDED, network);
	if (network_is_on_wire(network))
		return;
	ruleset_add_link_local(ruleset, home, network);
	ruleset_add_subnet(ruleset, home, network, network->ipv4);
	ruleset_add_subnet(ruleset, home, network, network->ipv6);
}

/* Nobody knows what it was to be: who is plugged in gets nowhere from it. */
static void ruleset_add_damaged(struct ruleset *ruleset, const struct network_home *home,
				const char *name)
{
	_cleanup_port_list_ struct port_list ports = { 0 };

	port_list_load(home, name, &ports);
	for (size_t i = 0; i < ports.n; i++) {
		const struct network closed = { .name = ports.items[i].network,
						.device = ports.items[i].bridge,
						.internal = 1 };
		_cleanup_free_ char *quoted = mem_printf("\"%s\"", closed.device);

		if (closed.device && !strv_has(ruleset->of_networks[RULESET_BRIDGES], quoted))
			ruleset_add_network(ruleset, home, &closed);
	}
}

static int ruleset_add_networks(struct ruleset *ruleset, const struct network_home *home,
				struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	int r = network_names(home, &names, err);

	strv_for_each(name, names) {
		_cleanup_network_ struct network network = { 0 };
		struct err unreadable = ERR_INIT;

		if (network_load(home, *name, &network, &unreadable) == 0)
			ruleset_add_network(ruleset, home, &network);
		else
			ruleset_add_damaged(ruleset, home, *name);
	}
	return r;
}

/* Two ports with one published port in common would make the whole text invalid: one of them has it. */
static void ruleset_end_clashes(char **elements)
{
	size_t n = 0;

	strv_sort(elements);
	for (size_t i = 0; elements && elements[i]; i++) {
		const char *key_end = strstr(elements[i], " : ");
		size_t len = key_end ? (size_t)(key_end - elements[i]) + 3 : 0;

		if (len && n && !strncmp(elements[n - 1], elements[i], len))
			free(elements[i]);
		else
			elements[n++] = elements[i];
	}
	if (elements)
		elements[n] = NULL;
}

static void ruleset_add_ports(struct ruleset *ruleset, const struct network_home *home)
{
	_cleanup_port_list_ struct port_list ports = { 0 };

	port_list_load(home, NULL, &ports);
	for (size_t i = 0; i < ports.n; i++) {
		_cleanup_elements_ struct elements elements = { 0 };

		elements_of_port(home, &ports.items[i], &elements);
		for (size_t j = 0; j < elements.n; j++) {
			_cleanup_buf_ struct buf text = BUF_INIT;

			element_format(&elements.items[j], &text);
			strv_add_take(&ruleset->of_ports[elements.items[j].set], buf_take(&text));
		}
	}
	for (size_t i = ELEMENT_PUBLISHED; i < ELEMENT_SETS; i++)
		ruleset_end_clashes(ruleset->of_ports[i]);
}

static void ruleset_end_set(char *const *elements, struct buf *ret)
{
	for (size_t i = 0; elements && elements[i]; i++)
		buf_printf(ret, "%s%s", i ? ", " : "; elements = { ", elements[i]);
	buf_add_str(ret, elements ? " }; }\n" : "; }\n");
}

static void ruleset_put_sets(const struct ruleset *ruleset, int inet, struct buf *ret)
{
	for (size_t i = 0; i < RULESET_SETS; i++) {
		if ((i >= RULESET_FIRST_INET) != inet)
			continue;
		buf_printf(ret, "\t%s", ruleset_sets[i]);
		ruleset_end_set(ruleset->of_networks[i], ret);
	}
	for (size_t i = 0; i < ELEMENT_SETS; i++) {
		if ((i >= ELEMENT_FIRST_INET) != inet)
			continue;
		buf_add_str(ret, "\t");
		element_declare((enum element_set)i, ret);
		ruleset_end_set(ruleset->of_ports[i], ret);
	}
}

/* A table that is not there cannot be deleted, so it is made first. */
static void ruleset_put_removal(const char *name, struct buf *ret)
{
	static const char *const families[] = { "bridge", "inet" };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		buf_printf(ret, "table %s %s\ndelete table %s %s\n", families[i], name, families[i],
			   name);
}

int ruleset_text(const struct network_home *home, int can_reject, struct buf *ret, struct err *err)
{
	_cleanup_(ruleset_release) struct ruleset ruleset = { 0 };
	struct subnet link_local;
	char name[RULESET_NAME_MAX];

	subnet_parse_address(NETWORK_LINK_LOCAL, &link_local);
	ruleset_add_gateway(&ruleset, link_local.address);
	if (ruleset_add_networks(&ruleset, home, err) < 0)
		return err->code;
	ruleset_add_ports(&ruleset, home);
	ruleset_put_removal(ruleset_name(home, name), ret);
	buf_printf(ret, "table bridge %s {\n", name);
	ruleset_put_sets(&ruleset, 0, ret);
	if (acl_chain_put_all(home, can_reject, ret, err) < 0)
		return err->code;
	buf_printf(ret, "%s}\ntable inet %s {\n", ruleset_stations, name);
	ruleset_put_sets(&ruleset, 1, ret);
	buf_printf(ret, "%s}\n", ruleset_ways);
	return 0;
}

/* A file in memory for nft's standard input. */
static int ruleset_run(const struct buf *text, int only_check, struct err *err)
{
	const char *const argv[] = { "nft", only_check ? "-cf" : "-f", "-", NULL };
	_cleanup_close_ int fd = memfd_create("brig-ruleset", MFD_CLOEXEC);
	struct child_spec child = CHILD_SPEC_INIT;

	if (fd < 0 || file_write_all(fd, text->data, text->len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(err, -errno, "cannot write the packet filter's rules");
	child.argv = (char *const *)argv;
	child.in_fd = fd;
	child.hint = "install nftables";
	child.reason = "";
	return child_run(&child, err) < 0 ? err_wrap(err, "cannot set up the packet filter") : 0;
}

/* Asked only where a rule rejects. */
static int ruleset_can_reject(void)
{
	_cleanup_buf_ struct buf probe = BUF_INIT;
	struct err refused = ERR_INIT;

	buf_add_str(&probe, acl_chain_probe);
	return ruleset_run(&probe, 1, &refused) == 0;
}

int ruleset_apply(const struct network_home *home, struct err *err)
{
	_cleanup_acl_talks_ struct acl_talks talks = { 0 };
	_cleanup_buf_ struct buf text = BUF_INIT;
	char name[RULESET_NAME_MAX];
	int r = ruleset_text(home, 1, &text, err);

	if (r == 0 && strstr(text.data, "reject with") && !ruleset_can_reject()) {
		buf_release(&text);
		r = ruleset_text(home, 0, &text, err);
	}
	if (r < 0)
		return r;
	acl_talks_load(home, ruleset_name(home, name), &talks);
	r = ruleset_run(&text, 0, err);
	if (r == 0)
		acl_talks_restore(name, &talks);
	return r;
}

int ruleset_remove(const struct network_home *home, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	char name[RULESET_NAME_MAX];

	if (!ruleset_is_there(home))
		return 0;
	ruleset_put_removal(ruleset_name(home, name), &text);
	return ruleset_run(&text, 0, err);
}

int ruleset_is_there(const struct network_home *home)
{
	struct err ignored = ERR_INIT;
	_cleanup_close_ int sock = netlink_open(NETLINK_NETFILTER, -EBADF, &ignored);
	char name[RULESET_NAME_MAX];

	ruleset_name(home, name);
	return sock >= 0 && nftset_has_table(sock, NFPROTO_BRIDGE, name, &ignored) == 1 &&
	       nftset_has_table(sock, NFPROTO_INET, name, &ignored) == 1;
}

int ruleset_trim(const struct network_home *home, struct err *err)
{
	_cleanup_port_list_ struct port_list ports = { 0 };
	_cleanup_strv_ char **names = NULL;
	int r = network_names(home, &names, err);

	if (r < 0)
		return r;
	port_list_load(home, NULL, &ports);
	if (names || ports.n)
		return 0;
	r = ruleset_remove(home, err);
	return r < 0 ? r : 1;
}

typedef int ruleset_change(int sock, uint8_t family, const char *table,
			   const struct nftset_element *elements, size_t count, struct err *err);

/* Those that are gone already make the kernel refuse all of them: then each by itself. */
static int ruleset_delete(int sock, uint8_t family, const char *table,
			  const struct nftset_element *elements, size_t count, struct err *err)
{
	struct err problem = ERR_INIT;
	int r = nftset_delete(sock, family, table, elements, count, &problem);

	for (size_t i = 0; r == -ENOENT && count > 1 && i < count; i++) {
		problem = ERR_INIT;
		r = nftset_delete(sock, family, table, &elements[i], 1, &problem);
		if (r < 0 && r != -ENOENT)
			break;
		r = -ENOENT;
	}
	if (r < 0 && r != -ENOENT) {
		*err = problem;
		return r;
	}
	return 0;
}

/* A port's elements of one table. */
static int ruleset_change_table(int sock, const struct network_home *home,
				const struct elements *elements, int inet, ruleset_change *change,
				struct err *err)
{
	_cleanup_free_ struct nftset_element *chosen =
		mem_zalloc((elements->n + 1) * sizeof(*chosen));
	char name[RULESET_NAME_MAX];
	size_t n = 0;

	for (size_t i = 0; i < elements->n; i++) {
		if ((elements->items[i].set >= ELEMENT_FIRST_INET) == inet)
			chosen[n++] = elements->items[i].of;
	}
	return n ? change(sock, inet ? NFPROTO_INET : NFPROTO_BRIDGE, ruleset_name(home, name),
			  chosen, n, err)
		 : 0;
}

static int ruleset_change_port(const struct network_home *home, const struct port *port,
			       ruleset_change *change, struct err *err)
{
	_cleanup_close_ int sock = netlink_open(NETLINK_NETFILTER, -EBADF, err);
	_cleanup_elements_ struct elements elements = { 0 };
	int r;

	if (sock < 0)
		return sock;
	elements_of_port(home, port, &elements);
	r = ruleset_change_table(sock, home, &elements, 0, change, err);
	if (r == 0)
		r = ruleset_change_table(sock, home, &elements, 1, change, err);
	/* its close waits until the kernel has freed what was deleted, which is a grace period */
	if (change == ruleset_delete)
		trail_drop(take_fd(&sock));
	return r < 0 ? err_wrap(err, "packet filter, port %s", port->device) : 0;
}

/* A table that lacks a set was made by an earlier brig; what is made of the records has the port in it. */
int ruleset_add_port(const struct network_home *home, const struct port *port, struct err *err)
{
	struct err problem = ERR_INIT;
	int r = ruleset_change_port(home, port, nftset_add, &problem);

	if (r == -ENOENT)
		return ruleset_apply(home, err);
	if (r < 0)
		*err = problem;
	return r;
}

int ruleset_remove_port(const struct network_home *home, const struct port *port, struct err *err)
{
	return ruleset_change_port(home, port, ruleset_delete, err);
}
