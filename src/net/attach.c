// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/attach.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/fabric.h"
#include "net/lease.h"
#include "net/names.h"
#include "net/publish.h"
#include "net/resolver.h"
#include "net/ruleset.h"
#include "net/wire.h"

#include <string.h>

struct attach_nic {
	struct nic nic;
	struct network network; /* of a bridge of somebody else's: empty */
	struct port port;
	struct nic_setup setup;
	struct subnet ip, ip6;
	int noted; /* the port's record is there */
	struct wire_taps taps;
};

struct attach {
	struct network_home home;
	char *root, *run; /* home's */
	const struct instance *record;
	struct attach_nic *nics;
	size_t n;
	int *held; /* published ports' sockets */
	size_t n_held;
	struct driver_nic *cards;
	char **setups, **addresses;
	char *hosts, *resolv_conf;
};

/* Several networks: the way out is that of the first one that has one. */
static void attach_set_gateways(struct attach_nic *nic, int *has_via, int *has_via6)
{
	const struct network *network = &nic->network;
	struct subnet gateway;

	if (network->internal)
		return;
	if (network->ipv4 && nic->ip.family && !*has_via &&
	    subnet_parse(network->ipv4, &gateway) == 0) {
		memcpy(&nic->setup.via, gateway.address, 4);
		*has_via = 1;
	}
	if (network->ipv6 && nic->ip6.family && !*has_via6 &&
	    subnet_parse(network->ipv6, &gateway) == 0) {
		memcpy(&nic->setup.via6, gateway.address, 16);
		*has_via6 = 1;
	}
}

static void attach_fill_setup(struct attach_nic *nic, uint32_t mtu)
{
	struct nic_setup *setup = &nic->setup;

	memcpy(setup->name, nic->nic.name, sizeof(setup->name));
	memcpy(setup->mac, nic->nic.mac, sizeof(setup->mac));
	setup->mtu = mtu < UINT16_MAX ? (uint16_t)mtu : UINT16_MAX;
	memcpy(&setup->ip, nic->ip.address, nic->ip.family ? 4 : 0);
	setup->prefix = nic->ip.prefix;
	memcpy(&setup->ip6, nic->ip6.address, nic->ip6.family ? 16 : 0);
	setup->prefix6 = nic->ip6.prefix;
}

static char *attach_address_text(const struct subnet *subnet)
{
	char text[SUBNET_TEXT_MAX] = "";

	if (subnet->family)
		subnet_format_address(subnet, text);
	return mem_strdup(text);
}

static void attach_fill_port(struct attach *attach, size_t place)
{
	struct attach_nic *nic = &attach->nics[place];
	struct port *port = &nic->port;
	char device[NIC_NAME_MAX], mac[NIC_MAC_TEXT];

	port_device_name(&attach->home, attach->record->name, place, device);
	port->device = mem_strdup(device);
	port->instance = mem_strdup(attach->record->name);
	port->network = mem_strdup(nic->nic.network);
	port->bridge = mem_strdup(nic->nic.bridge ? nic->nic.bridge : nic->network.device);
	port->mac = mem_strdup(nic_format_mac(nic->nic.mac, mac));
	port->ip = attach_address_text(&nic->ip);
	port->ip6 = attach_address_text(&nic->ip6);
	port->acls = strv_dup(nic->nic.acls);
	strv_for_each(acl, nic->network.acls)
		strv_add(&port->acls, *acl);
	port->rate = nic->nic.rate;
	port->trusted = nic->nic.trusted;
	port->isolated = nic->network.isolated;
}

/* Its network works, and it has its addresses there. */
static int attach_prepare_nic(struct attach *attach, size_t place, uint32_t *ret_mtu,
			      struct err *err)
{
	struct attach_nic *nic = &attach->nics[place];
	int r = nic_parse(attach->record->networks[place], place, &nic->nic, err);

	if (r < 0)
		return r;
	if (nic->nic.bridge)
		return fabric_find_bridge(nic->nic.bridge, ret_mtu, err);
	if (!strcmp(nic->nic.network, NETWORK_DEFAULT))
		r = fabric_make_default(&attach->home, err);
	if (r == 0)
		r = network_load(&attach->home, nic->nic.network, &nic->network, err);
	if (r == 0)
		r = fabric_up(&attach->home, &nic->network, ret_mtu, err);
	if (r == 0)
		r = lease_take(&attach->home, &nic->network, attach->record->name, &nic->nic,
			       &nic->ip, &nic->ip6, err);
	return r;
}

static int attach_publish(struct attach *attach, struct err *err)
{
	char *const *texts = attach->record->ports;

	if (!texts)
		return 0;
	for (size_t i = 0; i < attach->n; i++) {
		if (!attach->nics[i].ip.family && !attach->nics[i].ip6.family)
			continue;
		attach->nics[i].port.publish = strv_dup(texts);
		return publish_hold(texts, &attach->held, &attach->n_held, err);
	}
	return err_set(err, -EINVAL,
		       "ports can only be published for an instance that a network of brig's gives "
		       "an address");
}

static int attach_announce(struct attach *attach, struct attach_nic *nic, struct err *err)
{
	const struct instance *record = attach->record;
	int has_hostname = record->hostname && *record->hostname;
	char *aliases[] = { has_hostname && strcmp(record->hostname, record->name)
				    ? record->hostname
				    : NULL,
			    NULL };
	struct names_host host = { .name = record->name, .aliases = aliases };

	memcpy(host.mac, nic->nic.mac, sizeof(host.mac));
	host.ip = nic->setup.ip;
	host.ip6 = nic->setup.ip6;
	if (!nic->network.name || nic->network.type != NETWORK_BRIDGE)
		return 0;
	return names_add(&attach->home, &nic->network, &host, err);
}

static int attach_plug(struct attach *attach, struct attach_nic *nic, struct err *err)
{
	int r = port_save(&attach->home, &nic->port, err);

	if (r < 0)
		return r;
	nic->noted = 1;
	r = ruleset_add_port(&attach->home, &nic->port, err);
	return r < 0 ? r : attach_announce(attach, nic, err);
}

static void attach_write_hosts(struct attach *attach)
{
	const struct instance *record = attach->record;
	const char *hostname =
		record->hostname && *record->hostname ? record->hostname : record->name;
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_add_str(&text, "127.0.0.1\tlocalhost\n"
			   "::1\tlocalhost ip6-localhost ip6-loopback\n");
	strv_for_each(address, attach->addresses)
		buf_printf(&text, "%s\t%s %s." NETWORK_DOMAIN "\n", *address, hostname, hostname);
	if (!attach->addresses)
		buf_printf(&text, "127.0.1.1\t%s\n", hostname);
	attach->hosts = buf_take(&text);
}

static void attach_write_resolv_conf(struct attach *attach)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	for (size_t i = 0; i < attach->n; i++)
		resolver_add_network(&attach->nics[i].network, &text);
	if (text.len)
		buf_add_str(&text, "search " NETWORK_DOMAIN "\n");
	else
		resolver_add_host(&text);
	attach->resolv_conf = buf_take(&text);
}

static void attach_fill(struct attach *attach)
{
	int has_via = 0, has_via6 = 0;

	for (size_t i = 0; i < attach->n; i++) {
		struct attach_nic *nic = &attach->nics[i];

		attach_set_gateways(nic, &has_via, &has_via6);
		strv_add_take(&attach->setups, nic_setup_format(&nic->setup));
		if (*nic->port.ip)
			strv_add(&attach->addresses, nic->port.ip);
		if (*nic->port.ip6)
			strv_add(&attach->addresses, nic->port.ip6);
	}
	attach_write_hosts(attach);
	attach_write_resolv_conf(attach);
}

static int attach_prepare(struct attach *attach, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < attach->n && r == 0; i++) {
		uint32_t mtu = 0;

		r = attach_prepare_nic(attach, i, &mtu, err);
		if (r < 0)
			break;
		attach_fill_setup(&attach->nics[i], mtu);
		attach_fill_port(attach, i);
	}
	if (r == 0)
		r = attach_publish(attach, err);
	for (size_t i = 0; i < attach->n && r == 0; i++)
		r = attach_plug(attach, &attach->nics[i], err);
	if (r == 0)
		attach_fill(attach);
	return r;
}

int attach_new(const struct network_home *home, const struct instance *record, struct attach **ret,
	       struct err *err)
{
	struct attach *attach = mem_zalloc(sizeof(*attach));
	_cleanup_close_ int lock = network_lock(home, err);
	int r;

	attach->root = mem_strdup(home->root);
	attach->run = mem_strdup(home->run);
	attach->home = (struct network_home){ .root = attach->root, .run = attach->run };
	attach->record = record;
	attach->n = strv_len(record->networks);
	attach->nics = mem_zalloc((attach->n + 1) * sizeof(*attach->nics));
	for (size_t i = 0; i < attach->n; i++)
		attach->nics[i].taps = WIRE_TAPS_INIT;
	r = lock < 0 ? lock : attach_prepare(attach, err);
	if (r < 0) {
		lock = fd_close(lock);
		attach_free(attach);
		return r;
	}
	*ret = attach;
	return 0;
}

static void attach_way(const struct attach_nic *nic, struct wire_way *ret)
{
	*ret = (struct wire_way){
		.port = &nic->port,
		.setup = &nic->setup,
		.parent = nic->network.type == NETWORK_MACVLAN ? nic->network.device : NULL,
	};
}

int attach_wire(struct attach *attach, pid_t pid, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < attach->n && r == 0; i++) {
		struct wire_way way;

		attach_way(&attach->nics[i], &way);
		r = wire_container(&way, pid, err);
	}
	return r;
}

int attach_make_cards(struct attach *attach, unsigned int cpus, struct err *err)
{
	attach->cards = mem_zalloc((attach->n + 1) * sizeof(*attach->cards));
	for (size_t i = 0; i < attach->n; i++) {
		struct attach_nic *nic = &attach->nics[i];
		struct wire_way way;

		attach_way(nic, &way);
		if (wire_vm(&way, cpus, &nic->taps, err) < 0)
			return err->code;
		attach->cards[i] = (struct driver_nic){
			.mtu = nic->setup.mtu,
			.queues = nic->taps.n,
			.taps = nic->taps.fds,
			.vhosts = nic->taps.has_vhosts ? nic->taps.vhosts : NULL,
			.stream = -EBADF,
		};
		memcpy(attach->cards[i].mac, nic->nic.mac, sizeof(nic->nic.mac));
	}
	return 0;
}

const struct driver_nic *attach_cards(const struct attach *attach, size_t *ret_n)
{
	*ret_n = attach->cards ? attach->n : 0;
	return attach->cards;
}

char *const *attach_setups(const struct attach *attach)
{
	return attach->setups;
}

char *const *attach_addresses(const struct attach *attach)
{
	return attach->addresses;
}

const char *attach_hosts(const struct attach *attach)
{
	return attach->hosts;
}

const char *attach_resolv_conf(const struct attach *attach)
{
	return attach->resolv_conf;
}

/*
 * First nothing passes, then the rules that looked at it go. The record goes last: while it is there, the next command finds
 * what is left.
 */
static int attach_unplug(const struct network_home *home, const struct port *port, struct err *err)
{
	int r = wire_unplug(port->device, err);
	struct err ignored = ERR_INIT;

	if (port->network)
		(void)names_remove(home, port->network, port->instance, &ignored);
	if (r == 0)
		r = ruleset_remove_port(home, port, err);
	if (r == 0)
		port_remove(home, port->device);
	return r;
}

static void attach_unplug_all(struct attach *attach)
{
	struct err ignored = ERR_INIT;
	_cleanup_close_ int lock = network_lock(&attach->home, &ignored);

	for (size_t i = 0; i < attach->n && lock >= 0; i++) {
		struct attach_nic *nic = &attach->nics[i];

		wire_taps_release(&nic->taps);
		ignored = ERR_INIT;
		if (nic->noted)
			(void)attach_unplug(&attach->home, &nic->port, &ignored);
	}
}

void attach_free(struct attach *attach)
{
	if (!attach)
		return;
	attach_unplug_all(attach);
	for (size_t i = 0; i < attach->n; i++) {
		nic_release(&attach->nics[i].nic);
		network_release(&attach->nics[i].network);
		port_release(&attach->nics[i].port);
		wire_taps_release(&attach->nics[i].taps);
	}
	for (size_t i = 0; i < attach->n_held; i++)
		fd_close(attach->held[i]);
	free(attach->held);
	free(attach->nics);
	free(attach->cards);
	strv_free(attach->setups);
	strv_free(attach->addresses);
	free(attach->hosts);
	free(attach->resolv_conf);
	free(attach->root);
	free(attach->run);
	free(attach);
}

int attach_clean(const struct network_home *home, const char *instance, struct err *err)
{
	_cleanup_close_ int lock = -EBADF;

	for (size_t place = 0; place < NIC_MAX; place++) {
		_cleanup_port_ struct port port = { 0 };
		char device[NIC_NAME_MAX];
		struct err ignored = ERR_INIT;

		port_device_name(home, instance, place, device);
		if (port_load(home, device, &port, &ignored) < 0)
			continue;
		if (lock < 0)
			lock = network_lock(home, err);
		if (lock < 0 || attach_unplug(home, &port, err) < 0)
			return err->code;
	}
	return 0;
}

void attach_forget(const struct network_home *home, const struct instance *record)
{
	struct err ignored = ERR_INIT;
	_cleanup_close_ int lock = -EBADF;

	for (size_t i = 0; record->networks && record->networks[i]; i++) {
		_cleanup_nic_ struct nic nic = { 0 };

		ignored = ERR_INIT;
		if (nic_parse(record->networks[i], i, &nic, &ignored) < 0 || !nic.network ||
		    !network_exists(home, nic.network))
			continue;
		if (lock < 0)
			lock = network_lock(home, &ignored);
		if (lock >= 0)
			(void)lease_drop(home, nic.network, nic.mac, &ignored);
	}
}
