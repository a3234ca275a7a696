// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/lease.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/record.h"
#include "net/port.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LEASE_VERSION 1
#define LEASE_RECORD  "leases.json"

#define FIELD(member) RECORD_FIELD(RECORD_STRING, struct lease, member)

static const struct record_field lease_fields[] = {
	FIELD(mac), FIELD(ip), FIELD(ip6), FIELD(instance), RECORD_END,
};

#undef FIELD

static const struct record_field leases_fields[] = {
	{ .key = "leases",
	  .type = RECORD_ARRAY,
	  .offset = offsetof(struct leases, items),
	  .fields = lease_fields,
	  .size = sizeof(struct lease),
	  .count = offsetof(struct leases, n) },
	RECORD_END,
};

static const struct record_table leases_table = {
	.what = "record of leases",
	.version = LEASE_VERSION,
	.fields = leases_fields,
};

void leases_release(struct leases *leases)
{
	record_release(&leases_table, leases);
}

static char *leases_path(const struct network_home *home, const char *network, int transient)
{
	_cleanup_free_ char *folder =
		transient ? network_run_path(home, network) : network_path(home, network);

	return mem_printf("%s/" LEASE_RECORD, folder);
}

static void leases_move(struct leases *from, struct leases *to, int transient)
{
	if (!from->n)
		return;
	to->items = mem_realloc(to->items, to->n + from->n, sizeof(*to->items));
	for (size_t i = 0; i < from->n; i++) {
		to->items[to->n] = from->items[i];
		to->items[to->n++].transient = transient;
		from->items[i] = (struct lease){ .mac = NULL };
	}
}

/* Appends those of one file. */
static int leases_load_part(const struct network_home *home, const char *network, int transient,
			    struct leases *leases, struct err *err)
{
	_cleanup_free_ char *path = leases_path(home, network, transient);
	_cleanup_leases_ struct leases part = { 0 };
	int r;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = record_load(&leases_table, AT_FDCWD, path, &part, err);
	if (r < 0)
		return err_wrap(err,
				"addresses of the network '%s', which 'brig network repair %s' "
				"notes anew",
				network, network);
	leases_move(&part, leases, transient);
	return 0;
}

int leases_load(const struct network_home *home, const char *network, struct leases *ret,
		struct err *err)
{
	int r;

	*ret = (struct leases){ .n = 0 };
	r = leases_load_part(home, network, 0, ret, err);
	if (r == 0)
		r = leases_load_part(home, network, 1, ret, err);
	if (r < 0)
		leases_release(ret);
	return r;
}

/* Those of one file. They stay the caller's. */
static int leases_save(const struct network_home *home, const char *network,
		       const struct leases *leases, int transient, struct err *err)
{
	_cleanup_free_ struct lease *items = mem_zalloc((leases->n + 1) * sizeof(*items));
	_cleanup_free_ char *path = leases_path(home, network, transient);
	_cleanup_free_ char *folder = network_run_path(home, network);
	struct leases part = { .items = items };
	int r = transient ? file_mkdir_p(folder, 0755) : 0;

	for (size_t i = 0; i < leases->n; i++) {
		if (leases->items[i].transient == transient)
			items[part.n++] = leases->items[i];
	}
	(void)file_replace_leftovers(AT_FDCWD, path, 1);
	return r < 0 ? err_errno(err, r, "cannot make %s", folder)
		     : record_save(&leases_table, &part, AT_FDCWD, path, !transient, err);
}

static void leases_remove(struct leases *leases, size_t i)
{
	record_clear(lease_fields, &leases->items[i]);
	leases->items[i] = leases->items[--leases->n];
}

static struct lease *leases_find(const struct leases *leases, const char *mac)
{
	for (size_t i = 0; i < leases->n; i++) {
		if (leases->items[i].mac && !strcmp(leases->items[i].mac, mac))
			return &leases->items[i];
	}
	return NULL;
}

static struct lease *leases_add(struct leases *leases, const char *mac)
{
	struct lease *lease;

	leases->items = mem_realloc(leases->items, leases->n + 1, sizeof(*leases->items));
	lease = &leases->items[leases->n++];
	*lease = (struct lease){ .mac = mem_strdup(mac) };
	return lease;
}

static const char *lease_text(const struct lease *lease, int family)
{
	const char *text = family == AF_INET ? lease->ip : lease->ip6;

	return text ? text : "";
}

/* Who has it, but for `except`; NULL: nobody. */
static const struct lease *leases_holder(const struct leases *leases, const struct subnet *address,
					 const struct lease *except)
{
	char text[SUBNET_TEXT_MAX];

	subnet_format_address(address, text);
	for (size_t i = 0; i < leases->n; i++) {
		const struct lease *lease = &leases->items[i];

		if (lease != except && !strcmp(lease_text(lease, address->family), text))
			return lease;
	}
	return NULL;
}

static int lease_has_instance(const struct network_home *home, const struct lease *lease)
{
	_cleanup_free_ char *path =
		mem_printf("%s/instances/%s", home->root, lease->instance ? lease->instance : "");

	return access(path, F_OK) == 0 || errno != ENOENT;
}

/* Of instances that are there no more, as when brig was killed while it removed one. */
static void leases_take_back(const struct network_home *home, struct leases *leases)
{
	for (size_t i = leases->n; i > 0; i--) {
		if (!lease_has_instance(home, &leases->items[i - 1]))
			leases_remove(leases, i - 1);
	}
}

/* One bit for each number of the range that somebody has. */
static uint8_t *leases_taken(const struct leases *leases, const struct subnet *subnet, uint64_t end)
{
	uint8_t *taken = mem_zalloc(end / 8 + 1);

	for (size_t i = 0; i < leases->n; i++) {
		const char *text = lease_text(&leases->items[i], subnet->family);
		struct subnet address;
		uint64_t number;

		if (!*text || subnet_parse_address(text, &address) < 0 ||
		    !subnet_holds(subnet, &address))
			continue;
		number = subnet_number(subnet, &address);
		if (number < end)
			taken[number / 8] |= (uint8_t)(1U << number % 8);
	}
	return taken;
}

/* The next free one after the newest lease's, so that an address that was given back rests for a while. */
static int leases_pick(const struct leases *leases, const struct subnet *subnet, struct subnet *ret)
{
	_cleanup_free_ uint8_t *taken = NULL;
	uint64_t first, end, start, host = subnet_number(subnet, subnet);
	struct subnet newest;

	subnet_range(subnet, &first, &end);
	if (first >= end)
		return -EADDRNOTAVAIL;
	taken = leases_taken(leases, subnet, end);
	start = first;
	for (size_t i = 0; i < leases->n; i++) {
		if (subnet_parse_address(lease_text(&leases->items[i], subnet->family), &newest) ==
			    0 &&
		    subnet_holds(subnet, &newest))
			start = subnet_number(subnet, &newest) + 1;
	}
	for (uint64_t i = 0; i < end - first; i++) {
		uint64_t number = first + (start >= first ? start - first + i : i) % (end - first);

		if (number == host || (taken[number / 8] >> number % 8 & 1))
			continue;
		subnet_nth(subnet, number, ret);
		return 0;
	}
	return -EADDRNOTAVAIL;
}

static int lease_check_asked(const struct leases *leases, const struct subnet *subnet,
			     const struct subnet *asked, const struct lease *own, struct err *err)
{
	char text[SUBNET_TEXT_MAX], network[SUBNET_TEXT_MAX];
	const struct lease *holder = leases_holder(leases, asked, own);
	uint64_t number = subnet_number(subnet, asked);

	subnet_format_address(asked, text);
	subnet_format_network(subnet, network);
	if (!subnet_holds(subnet, asked) || !number ||
	    (asked->family == AF_INET && number == subnet_size(subnet) - 1))
		return err_set(err, -EINVAL, "%s is no address for an instance in %s", text,
			       network);
	if (subnet_same_address(subnet, asked))
		return err_set(err, -EADDRINUSE, "%s is the host's own address in %s", text,
			       network);
	if (holder)
		return err_set(err, -EADDRINUSE, "%s is the address of '%s'", text,
			       holder->instance ? holder->instance : "another");
	return 0;
}

/* One family. asked: family 0 for any; own: what it has so far. */
static int lease_choose(const struct network_home *home, struct leases *leases, const char *mac,
			const struct subnet *subnet, const struct subnet *asked, struct subnet *ret,
			struct err *err)
{
	const struct lease *own = leases_find(leases, mac);
	char network[SUBNET_TEXT_MAX];
	int r;

	*ret = (struct subnet){ .family = 0 };
	if (asked->family && !subnet->family)
		return err_set(err, -EINVAL, "the network has no IPv%d",
			       asked->family == AF_INET ? 4 : 6);
	if (!subnet->family)
		return 0;
	if (asked->family) {
		*ret = *asked;
		return lease_check_asked(leases, subnet, asked, own, err);
	}
	if (own && subnet_parse_address(lease_text(own, subnet->family), ret) == 0 &&
	    subnet_holds(subnet, ret) && !subnet_same_address(subnet, ret))
		return 0;
	r = leases_pick(leases, subnet, ret);
	if (r < 0) {
		leases_take_back(home, leases);
		r = leases_pick(leases, subnet, ret);
	}
	return r < 0 ? err_set(err, r,
			       "all addresses of %s are given away; remove instances, or make a "
			       "larger network",
			       subnet_format_network(subnet, network))
		     : 0;
}

static void lease_asked(const struct nic *nic, struct subnet *ip, struct subnet *ip6)
{
	*ip = *ip6 = (struct subnet){ .family = 0 };
	if (nic->ip.s_addr) {
		ip->family = AF_INET;
		ip->prefix = 32;
		memcpy(ip->address, &nic->ip, sizeof(nic->ip));
	}
	if (!IN6_IS_ADDR_UNSPECIFIED(&nic->ip6)) {
		ip6->family = AF_INET6;
		ip6->prefix = 128;
		memcpy(ip6->address, &nic->ip6, sizeof(nic->ip6));
	}
}

/* 1 if something of it changed. */
static int lease_note(struct leases *leases, const char *mac, const char *instance, int transient,
		      const struct subnet *ip, const struct subnet *ip6)
{
	struct lease *lease = leases_find(leases, mac);
	char text[SUBNET_TEXT_MAX] = "", text6[SUBNET_TEXT_MAX] = "";

	if (ip->family)
		subnet_format_address(ip, text);
	if (ip6->family)
		subnet_format_address(ip6, text6);
	if (!lease) {
		lease = leases_add(leases, mac);
		lease->transient = transient;
	} else if (!strcmp(lease_text(lease, AF_INET), text) &&
		   !strcmp(lease_text(lease, AF_INET6), text6) && lease->instance &&
		   !strcmp(lease->instance, instance) && lease->transient == transient)
		return 0;
	mem_replace(&lease->ip, text);
	mem_replace(&lease->ip6, text6);
	mem_replace(&lease->instance, instance);
	return 1;
}

/* In its file, and in no other. */
static int lease_keep(const struct network_home *home, const char *network, struct leases *leases,
		      const char *mac, int transient, struct err *err)
{
	struct lease *lease = leases_find(leases, mac);
	int was = lease->transient, r;

	lease->transient = transient;
	r = leases_save(home, network, leases, transient, err);
	return r == 0 && was != transient ? leases_save(home, network, leases, was, err) : r;
}

/* Whether the instance that last had it has it now: a copy of an instance, made by hand, is not to take its address. */
static int lease_check_free(const struct network_home *home, const struct lease *lease,
			    const char *instance, struct err *err)
{
	if (!lease || !lease->instance || !strcmp(lease->instance, instance) ||
	    !lease_has_instance(home, lease))
		return 0;
	for (size_t place = 0; place < NIC_MAX; place++) {
		_cleanup_port_ struct port port = { 0 };
		struct err ignored = ERR_INIT;
		char device[NIC_NAME_MAX];

		port_device_name(home, lease->instance, place, device);
		if (port_load(home, device, &port, &ignored) == 0 && !strcmp(port.mac, lease->mac))
			return err_set(err, -EADDRINUSE,
				       "the MAC %s is that of '%s', which runs: one of the two is "
				       "a copy",
				       lease->mac, lease->instance);
	}
	return 0;
}

static void lease_subnet(const char *text, struct subnet *ret)
{
	if (!text || subnet_parse(text, ret) < 0)
		*ret = (struct subnet){ .family = 0 };
}

int lease_take(const struct network_home *home, const struct network *network, const char *instance,
	       int transient, const struct nic *nic, struct subnet *ret_ip, struct subnet *ret_ip6,
	       struct err *err)
{
	_cleanup_leases_ struct leases leases = { 0 };
	struct subnet subnet, subnet6, asked, asked6;
	char mac[NIC_MAC_TEXT];
	int r = leases_load(home, network->name, &leases, err);

	nic_format_mac(nic->mac, mac);
	lease_asked(nic, &asked, &asked6);
	lease_subnet(network->ipv4, &subnet);
	lease_subnet(network->ipv6, &subnet6);
	if (r == 0)
		r = lease_check_free(home, leases_find(&leases, mac), instance, err);
	if (r == 0)
		r = lease_choose(home, &leases, mac, &subnet, &asked, ret_ip, err);
	if (r == 0)
		r = lease_choose(home, &leases, mac, &subnet6, &asked6, ret_ip6, err);
	if (r == 0 && lease_note(&leases, mac, instance, transient, ret_ip, ret_ip6))
		r = lease_keep(home, network->name, &leases, mac, transient, err);
	if (ret_ip->family)
		ret_ip->prefix = subnet.prefix;
	if (ret_ip6->family)
		ret_ip6->prefix = subnet6.prefix;
	return r < 0 ? err_wrap(err, "network '%s'", network->name) : 0;
}

int lease_drop(const struct network_home *home, const char *network, const char *instance,
	       const uint8_t mac[6], struct err *err)
{
	_cleanup_leases_ struct leases leases = { 0 };
	char text[NIC_MAC_TEXT];
	struct lease *lease;
	int transient;

	if (leases_load(home, network, &leases, err) < 0)
		return err->code;
	lease = leases_find(&leases, nic_format_mac(mac, text));
	if (!lease || (lease->instance && strcmp(lease->instance, instance) != 0 &&
		       lease_has_instance(home, lease)))
		return 0;
	transient = lease->transient;
	leases_remove(&leases, (size_t)(lease - leases.items));
	return leases_save(home, network, &leases, transient, err);
}

static int lease_is_of(const struct lease *lease, const char *network, char *const *networks)
{
	for (size_t i = 0; networks && networks[i]; i++) {
		_cleanup_nic_ struct nic nic = { 0 };
		struct err ignored = ERR_INIT;
		char text[NIC_MAC_TEXT];

		if (nic_parse(networks[i], i, &nic, &ignored) == 0 && nic.network &&
		    !strcmp(nic.network, network) &&
		    !strcmp(nic_format_mac(nic.mac, text), lease->mac))
			return 1;
	}
	return 0;
}

int lease_drop_others(const struct network_home *home, const char *network, const char *instance,
		      char *const *networks, struct err *err)
{
	_cleanup_leases_ struct leases leases = { 0 };
	int changed[2] = { 0 }, r = leases_load(home, network, &leases, err);

	for (size_t i = leases.n; r == 0 && i > 0; i--) {
		const struct lease *lease = &leases.items[i - 1];

		if (!lease->instance || strcmp(lease->instance, instance) != 0 ||
		    lease_is_of(lease, network, networks))
			continue;
		changed[lease->transient != 0] = 1;
		leases_remove(&leases, i - 1);
	}
	for (int transient = 0; transient < 2 && r == 0; transient++) {
		if (changed[transient])
			r = leases_save(home, network, &leases, transient, err);
	}
	return r;
}

/* 1 if a file had to be put aside. */
static int lease_put_aside(const struct network_home *home, const char *network, int transient,
			   struct err *err)
{
	_cleanup_free_ char *path = leases_path(home, network, transient);
	_cleanup_free_ char *aside = mem_printf("%s.damaged", path);
	_cleanup_leases_ struct leases leases = { 0 };
	struct err unreadable = ERR_INIT;

	if (leases_load_part(home, network, transient, &leases, &unreadable) == 0)
		return 0;
	return rename(path, aside) < 0 ? err_errno(err, -errno, "cannot put %s aside", path) : 1;
}

int lease_repair(const struct network_home *home, const char *network, struct err *err)
{
	_cleanup_port_list_ struct port_list ports = { 0 };
	_cleanup_leases_ struct leases leases = { 0 };
	int aside = lease_put_aside(home, network, 0, err);
	int run_aside = aside < 0 ? aside : lease_put_aside(home, network, 1, err);

	if (run_aside < 0 || (!aside && !run_aside))
		return run_aside;
	if (leases_load(home, network, &leases, err) < 0)
		return err->code;
	port_list_load(home, network, &ports);
	for (size_t i = 0; i < ports.n; i++) {
		const struct port *port = &ports.items[i];
		struct lease *lease;

		if (leases_find(&leases, port->mac))
			continue;
		lease = leases_add(&leases, port->mac);
		lease->ip = mem_strdup(port->ip);
		lease->ip6 = mem_strdup(port->ip6);
		lease->instance = mem_strdup(port->instance);
	}
	return leases_save(home, network, &leases, 0, err);
}
