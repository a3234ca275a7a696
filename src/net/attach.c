// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/attach.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/name.h"
#include "net/acl.h"
#include "net/fabric.h"
#include "net/lease.h"
#include "net/names.h"
#include "net/publish.h"
#include "net/resolver.h"
#include "net/ruleset.h"
#include "net/steward.h"
#include "net/view.h"
#include "net/wire.h"
#include "sys/netlink.h"

#include <string.h>

struct attach_nic {
	int used;
	struct nic nic;
	struct network network; /* of a bridge of somebody else's: empty */
	struct port port;
	struct nic_setup setup;
	struct subnet ip, ip6;
	int noted; /* the port's record is there */
	int left;  /* the index of a wire that is unplugged, and not yet gone */
	struct wire_taps taps;
	struct driver_nic card; /* of a VM, with the taps */
};

/* A published text, and the sockets that are bound to the host's ports for it. */
struct attach_hold {
	char *text;
	int *fds;
	size_t n;
};

struct attach {
	struct network_home home;
	char *root, *run; /* home's */
	const struct instance *record;
	struct attach_nic nics[NIC_MAX]; /* by their place, which names the port's device */
	struct attach_hold *holds;
	size_t n_holds;
	struct driver_nic cards[NIC_MAX];
	size_t n_cards;
	char **setups, **addresses;
	char *hosts, *resolv_conf;
};

/* Several networks: the way out is that of the first one that has one. */
static int attach_has_gateway(const struct attach *attach, int family)
{
	for (size_t i = 0; i < NIC_MAX; i++) {
		const struct nic_setup *setup = &attach->nics[i].setup;

		if (attach->nics[i].used &&
		    (family == AF_INET ? setup->via.s_addr != 0
				       : !IN6_IS_ADDR_UNSPECIFIED(&setup->via6)))
			return 1;
	}
	return 0;
}

static void attach_set_gateway(const struct attach *attach, const struct attach_nic *nic,
			       const char *text, const struct subnet *own, void *ret)
{
	struct subnet gateway;

	if (!nic->network.internal && text && own->family && subnet_parse(text, &gateway) == 0 &&
	    !attach_has_gateway(attach, own->family))
		memcpy(ret, gateway.address, own->family == AF_INET ? 4 : 16);
}

static void attach_fill_setup(const struct attach *attach, struct attach_nic *nic, uint32_t mtu)
{
	struct nic_setup *setup = &nic->setup;

	memcpy(setup->name, nic->nic.name, sizeof(setup->name));
	memcpy(setup->mac, nic->nic.mac, sizeof(setup->mac));
	setup->mtu = mtu < UINT16_MAX ? (uint16_t)mtu : UINT16_MAX;
	memcpy(&setup->ip, nic->ip.address, nic->ip.family ? 4 : 0);
	setup->prefix = nic->ip.prefix;
	memcpy(&setup->ip6, nic->ip6.address, nic->ip6.family ? 16 : 0);
	setup->prefix6 = nic->ip6.prefix;
	attach_set_gateway(attach, nic, nic->network.ipv4, &nic->ip, &setup->via);
	attach_set_gateway(attach, nic, nic->network.ipv6, &nic->ip6, &setup->via6);
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
	port->rate = nic->nic.rate;
	port->trusted = nic->nic.trusted;
	port->isolated = nic->network.isolated;
}

/* Its network works, and it has its addresses there. */
static int attach_join(struct attach *attach, struct attach_nic *nic, uint32_t *ret_mtu,
		       struct err *err)
{
	int r = 0;

	if (nic->nic.bridge)
		return fabric_use_bridge(&attach->home, nic->nic.bridge, ret_mtu, err);
	if (!strcmp(nic->nic.network, NETWORK_DEFAULT))
		r = fabric_make_default(&attach->home, err);
	if (r == 0)
		r = network_load(&attach->home, nic->nic.network, &nic->network, err);
	if (r == 0)
		r = fabric_up(&attach->home, &nic->network, ret_mtu, err);
	if (r == 0)
		r = lease_take(&attach->home, &nic->network, attach->record->name,
			       attach->record->remove, &nic->nic, &nic->ip, &nic->ip6, err);
	return r;
}

/* A macvlan's frames do not pass where the rules are. */
static int attach_check_acls(const struct attach *attach, const struct attach_nic *nic,
			     struct err *err)
{
	_cleanup_strv_ char **acls = port_acls(&nic->port, &nic->network);

	if (acls && nic->network.name && nic->network.type != NETWORK_BRIDGE)
		return err_set(err, -EOPNOTSUPP, "the network '%s' is a macvlan, which has no ACLs",
			       nic->network.name);
	return acl_check_all(&attach->home, acls, err);
}

/* The interface that is published through: the first that has an address which the host has a way to. */
static struct attach_nic *attach_front(struct attach *attach)
{
	for (size_t i = 0; i < NIC_MAX; i++) {
		struct attach_nic *nic = &attach->nics[i];

		if (nic->used && !network_is_on_wire(&nic->network) &&
		    (nic->ip.family || nic->ip6.family))
			return nic;
	}
	return NULL;
}

static void attach_let_go(struct attach_hold *hold)
{
	for (size_t i = 0; i < hold->n; i++)
		fd_close(hold->fds[i]);
	free(hold->fds);
	free(hold->text);
}

/* Those after the first n. */
static void attach_let_go_after(struct attach *attach, size_t n)
{
	while (attach->n_holds > n)
		attach_let_go(&attach->holds[--attach->n_holds]);
}

/*
 * First nothing passes, then the rules that looked at it go. The record goes last: while it is there, the next command finds
 * what is left.
 */
static int attach_unplug(const struct network_home *home, const struct port *port, int *ret_index,
			 struct err *err)
{
	int r = wire_unplug(port->device, ret_index, err);
	struct err ignored = ERR_INIT;

	if (port->names_port)
		(void)view_down(home, port->instance, &ignored);
	if (port->network)
		(void)names_remove(home, port->network, port->instance, &ignored);
	if (r == 0)
		r = ruleset_remove_port(home, port, err);
	if (r == 0)
		port_remove(home, port->device);
	if (r == 0 && !port->network)
		r = ruleset_trim(home, err);
	return r < 0 ? r : 0;
}

/* Whose ports the host lets us bind has ended, and was killed if there is still a record. */
static int attach_end_clashes(struct attach *attach, char *const *ports, struct err *err)
{
	_cleanup_port_list_ struct port_list all = { 0 };
	int r = 0;

	if (ports)
		port_list_load(&attach->home, NULL, &all);
	for (size_t i = 0; i < all.n && r == 0; i++) {
		int left;

		if (!strcmp(all.items[i].instance, attach->record->name) ||
		    !publish_clash(all.items[i].publish, ports))
			continue;
		r = attach_unplug(&attach->home, &all.items[i], &left, err);
		if (r == 0)
			wire_sweep(left);
	}
	return r;
}

static int attach_hold(struct attach *attach, char *const *ports, struct err *err)
{
	size_t before = attach->n_holds;

	if (publish_check_addresses(ports, err) < 0)
		return err->code;
	strv_for_each(text, ports) {
		char *one[] = { *text, NULL };
		struct attach_hold *hold;

		attach->holds =
			mem_realloc(attach->holds, attach->n_holds + 1, sizeof(*attach->holds));
		hold = &attach->holds[attach->n_holds++];
		*hold = (struct attach_hold){ .text = mem_strdup(*text) };
		if (publish_hold(one, &hold->fds, &hold->n, err) < 0) {
			attach_let_go_after(attach, before);
			return err->code;
		}
	}
	if (attach_end_clashes(attach, ports, err) == 0)
		return 0;
	attach_let_go_after(attach, before);
	return err->code;
}

static int attach_publish(struct attach *attach, char *const *ports, struct err *err)
{
	struct attach_nic *nic = attach_front(attach);

	if (!ports)
		return 0;
	if (!nic)
		return err_set(
			err, -EINVAL,
			"ports can only be published for an instance that a network of brig's "
			"gives an address");
	if (nic->ip.family && fabric_open_loopback(nic->port.bridge, err) < 0)
		return err->code;
	nic->port.publish = strv_dup(ports);
	return attach_hold(attach, ports, err);
}

static int attach_announce(struct attach *attach, struct attach_nic *nic, struct err *err)
{
	const struct instance *record = attach->record;
	struct err no_name = ERR_INIT;
	/* a host name may be what no name in a network can */
	int has_hostname = record->hostname && *record->hostname &&
			   name_check("instance", record->hostname, &no_name) == 0;
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
	/* no rule of the host's sees what is on a macvlan */
	if (nic->network.type != NETWORK_MACVLAN)
		r = ruleset_add_port(&attach->home, &nic->port, err);
	return r < 0 ? r : attach_announce(attach, nic, err);
}

/* --- the names of several networks --- */

static int attach_has_names(const struct attach_nic *nic)
{
	return nic->used && nic->network.name && nic->network.dns &&
	       nic->network.type == NETWORK_BRIDGE && !network_is_on_wire(&nic->network) &&
	       (nic->ip.family || nic->ip6.family);
}

/* What is in the packet filter already is put there again, with the new number. */
static int attach_set_names_port(struct attach *attach, struct attach_nic *nic, int64_t number,
				 struct err *err)
{
	struct port *port = &nic->port;
	/* a port without all the rest, of which nothing but that is taken out */
	const struct port names = { .device = port->device,
				    .bridge = port->bridge,
				    .ip = port->ip,
				    .ip6 = port->ip6,
				    .names_port = port->names_port,
				    .trusted = 1 };
	int r = nic->noted && port->names_port ? ruleset_remove_port(&attach->home, &names, err)
					       : 0;

	port->names_port = number;
	if (r < 0 || !nic->noted)
		return r;
	r = port_save(&attach->home, port, err);
	return r < 0 ? r : ruleset_add_port(&attach->home, port, err);
}

/* All of its ports that have names get the same number, or none if there is but one. */
static int attach_number_names(struct attach *attach, struct err *err)
{
	uint16_t fresh = 0;
	int64_t number = 0;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < NIC_MAX; i++) {
		n += attach_has_names(&attach->nics[i]) != 0;
		if (attach->nics[i].port.names_port)
			number = attach->nics[i].port.names_port;
	}
	if (n > 1 && !number)
		r = view_choose_port(&fresh, err);
	number = n < 2 ? 0 : fresh ? fresh : number;
	for (size_t i = 0; i < NIC_MAX && r == 0; i++) {
		struct attach_nic *nic = &attach->nics[i];

		if (attach_has_names(nic) && nic->port.names_port != number)
			r = attach_set_names_port(attach, nic, number, err);
	}
	return r;
}

/* --- several networks on the host --- */

static int attach_is_bridged(const struct attach_nic *nic)
{
	return nic->used && nic->port.bridge && nic->network.type == NETWORK_BRIDGE;
}

static char **attach_list_beside(const struct attach *attach, const struct attach_nic *nic)
{
	char **bridges = NULL;

	for (size_t i = 0; i < NIC_MAX; i++) {
		const struct attach_nic *other = &attach->nics[i];

		if (attach_is_bridged(other) && strcmp(other->port.bridge, nic->port.bridge) != 0 &&
		    !strv_has(bridges, other->port.bridge))
			strv_add(&bridges, other->port.bridge);
	}
	return bridges;
}

static int attach_set_beside(struct attach *attach, struct attach_nic *nic, struct err *err)
{
	_cleanup_strv_ char **bridges = attach_list_beside(attach, nic);
	struct port *port = &nic->port;
	/* as in attach_set_names_port() */
	const struct port part = { .device = port->device,
				   .ip = port->ip,
				   .ip6 = port->ip6,
				   .beside = port->beside,
				   .trusted = 1 };
	int r = 0;

	if (strv_same(port->beside, bridges))
		return 0;
	if (nic->noted && port->beside)
		r = ruleset_remove_port(&attach->home, &part, err);
	strv_free(port->beside);
	port->beside = take_ptr(bridges);
	if (r < 0 || !nic->noted)
		return r;
	r = port_save(&attach->home, port, err);
	return r < 0 ? r : ruleset_add_port(&attach->home, port, err);
}

/* What each port has by there being others. */
static int attach_relate(struct attach *attach, struct err *err)
{
	int r = attach_number_names(attach, err);

	for (size_t i = 0; i < NIC_MAX && r == 0; i++) {
		if (attach_is_bridged(&attach->nics[i]))
			r = attach_set_beside(attach, &attach->nics[i], err);
	}
	return r;
}

static int attach_answer_names(struct attach *attach, struct err *err)
{
	for (size_t i = 0; i < NIC_MAX; i++) {
		if (attach->nics[i].used && attach->nics[i].port.names_port)
			return view_up(&attach->home, attach->record->name, err);
	}
	return 0;
}

size_t attach_open_stewards(const struct attach *attach, int *ret)
{
	int of_several = view_open(&attach->home, attach->record->name);
	size_t n = 0;

	if (of_several >= 0)
		ret[n++] = of_several;
	for (size_t i = 0; i < NIC_MAX; i++) {
		const char *name = attach->nics[i].used ? attach->nics[i].network.name : NULL;
		int fd = name ? steward_open(&attach->home, name) : -EBADF;

		if (fd >= 0)
			ret[n++] = fd;
	}
	return n;
}

int attach_answer(struct attach *attach, struct err *err)
{
	_cleanup_close_ int lock = network_lock(&attach->home, err);
	int r = lock < 0 ? lock : 0;

	for (size_t i = 0; i < NIC_MAX && r == 0; i++) {
		if (attach->nics[i].used && attach->nics[i].network.name)
			r = fabric_answer(&attach->home, attach->nics[i].network.name, err);
	}
	return r < 0 ? r : attach_answer_names(attach, err);
}

/* After one of them has gone. */
static void attach_relate_rest(struct attach *attach)
{
	struct err ignored = ERR_INIT;

	if (attach_relate(attach, &ignored) == 0)
		(void)attach_answer_names(attach, &ignored);
}

static void attach_write_resolv_conf(struct attach *attach)
{
	_cleanup_buf_ struct buf servers = BUF_INIT;

	for (size_t i = 0; i < NIC_MAX; i++)
		resolver_add_network(&attach->nics[i].network, &servers);
	attach->resolv_conf = resolver_conf(attach->record, &servers);
}

static void attach_list_addresses(struct attach *attach)
{
	attach->addresses = strv_free(attach->addresses);
	for (size_t i = 0; i < NIC_MAX; i++) {
		const struct attach_nic *nic = &attach->nics[i];

		if (nic->used && *nic->port.ip)
			strv_add(&attach->addresses, nic->port.ip);
		if (nic->used && *nic->port.ip6)
			strv_add(&attach->addresses, nic->port.ip6);
	}
}

static void attach_list(struct attach *attach)
{
	attach->setups = strv_free(attach->setups);
	attach->n_cards = 0;
	for (size_t i = 0; i < NIC_MAX; i++) {
		const struct attach_nic *nic = &attach->nics[i];

		if (nic->used)
			strv_add_take(&attach->setups, nic_setup_format(&nic->setup));
		if (nic->used && nic->taps.n)
			attach->cards[attach->n_cards++] = nic->card;
	}
	attach_list_addresses(attach);
}

static void attach_fill(struct attach *attach)
{
	attach_list(attach);
	attach->hosts = resolver_hosts(attach->record, attach->addresses);
	attach_write_resolv_conf(attach);
}

/* All of it but what is plugged in: what goes wrong here leaves nothing. */
static int attach_prepare_nic(struct attach *attach, size_t place, const char *text,
			      struct err *err)
{
	struct attach_nic *nic = &attach->nics[place];
	uint32_t mtu = 0;
	int r;

	nic->used = 1;
	r = nic_parse(text, place, &nic->nic, err);
	if (r == 0)
		r = attach_join(attach, nic, &mtu, err);
	if (r < 0)
		return r;
	attach_fill_setup(attach, nic, mtu);
	attach_fill_port(attach, place);
	return attach_check_acls(attach, nic, err);
}

static int attach_prepare(struct attach *attach, struct err *err)
{
	char *const *texts = attach->record->networks;
	size_t n = strv_len(texts);
	int r = n > NIC_MAX ? err_set(err, -E2BIG, "an instance has at most %d networks", NIC_MAX)
			    : 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = attach_prepare_nic(attach, i, texts[i], err);
	if (r == 0)
		r = attach_publish(attach, attach->record->ports, err);
	if (r == 0)
		r = attach_relate(attach, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = attach_plug(attach, &attach->nics[i], err);
	if (r == 0)
		r = attach_answer_names(attach, err);
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

	for (size_t i = 0; i < NIC_MAX && r == 0; i++) {
		struct wire_way way;

		if (!attach->nics[i].used)
			continue;
		attach_way(&attach->nics[i], &way);
		r = wire_container(&way, pid, err);
	}
	return r;
}

static int attach_make_card(struct attach_nic *nic, unsigned int cpus, struct err *err)
{
	struct wire_way way;

	attach_way(nic, &way);
	if (wire_vm(&way, cpus, &nic->taps, err) < 0)
		return err->code;
	nic->card = (struct driver_nic){
		.mtu = nic->setup.mtu,
		.queues = nic->taps.n,
		.taps = nic->taps.fds,
		.vhost = nic->taps.vhost,
		.stream = -EBADF,
	};
	memcpy(nic->card.mac, nic->nic.mac, sizeof(nic->card.mac));
	return 0;
}

int attach_make_cards(struct attach *attach, unsigned int cpus, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < NIC_MAX && r == 0; i++) {
		if (attach->nics[i].used)
			r = attach_make_card(&attach->nics[i], cpus, err);
	}
	attach_list(attach);
	return r;
}

const struct driver_nic *attach_cards(const struct attach *attach, size_t *ret_n)
{
	*ret_n = attach->n_cards;
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

void attach_silence(const struct network_home *home, const struct instance *record)
{
	if (!record->networks || nic_is_shared(record->networks))
		return;
	for (size_t i = 0; i < NIC_MAX; i++) {
		char device[NIC_NAME_MAX];
		struct err ignored = ERR_INIT;
		int index;

		port_device_name(home, record->name, i, device);
		(void)wire_unplug(device, &index, &ignored);
	}
}

static void attach_nic_release(struct attach_nic *nic)
{
	wire_taps_release(&nic->taps);
	nic_release(&nic->nic);
	network_release(&nic->network);
	port_release(&nic->port);
	memset(nic, 0, sizeof(*nic));
}

void attach_unplug_all(struct attach *attach)
{
	struct err ignored = ERR_INIT;
	_cleanup_close_ int lock = attach ? network_lock(&attach->home, &ignored) : -EBADF;

	for (size_t i = 0; i < NIC_MAX && lock >= 0; i++) {
		struct attach_nic *nic = &attach->nics[i];

		ignored = ERR_INIT;
		if (nic->noted &&
		    attach_unplug(&attach->home, &nic->port, &nic->left, &ignored) == 0)
			nic->noted = 0;
		else if (nic->nic.bridge)
			(void)ruleset_trim(&attach->home, &ignored); /* of a start that failed */
	}
	if (attach)
		attach_let_go_after(attach, 0);
}

void attach_free(struct attach *attach)
{
	if (!attach)
		return;
	attach_unplug_all(attach);
	for (size_t i = 0; i < NIC_MAX; i++)
		wire_sweep(attach->nics[i].left);
	for (size_t i = 0; i < NIC_MAX; i++)
		attach_nic_release(&attach->nics[i]);
	free(attach->holds);
	strv_free(attach->setups);
	strv_free(attach->addresses);
	free(attach->hosts);
	free(attach->resolv_conf);
	free(attach->root);
	free(attach->run);
	free(attach);
}

/* --- while it runs --- */

/* What stands behind the interface that is new: a wire to a process, or a card for so many CPUs. */
struct attach_way_in {
	pid_t pid;
	unsigned int cpus;
};

static int attach_connect_at(struct attach *attach, size_t place, const char *text,
			     const struct attach_way_in *in, struct err *err)
{
	struct attach_nic *nic = &attach->nics[place];
	struct wire_way way;
	int r = attach_prepare_nic(attach, place, text, err);

	if (r == 0)
		r = attach_relate(attach, err);
	if (r == 0)
		r = attach_plug(attach, nic, err);
	if (r == 0)
		r = attach_answer_names(attach, err);
	if (r < 0)
		return r;
	if (in->cpus)
		return attach_make_card(nic, in->cpus, err);
	attach_way(nic, &way);
	return wire_container(&way, in->pid, err);
}

/* What it had of a network that its instance is not on any more: the next time it gets others. */
static void attach_give_back(struct attach *attach, const struct attach_nic *nic)
{
	struct err ignored = ERR_INIT;

	if (nic->network.name)
		(void)lease_drop(&attach->home, nic->network.name, attach->record->name,
				 nic->nic.mac, &ignored);
}

static int attach_connect_by(struct attach *attach, const char *text,
			     const struct attach_way_in *in, size_t *ret_place, struct err *err)
{
	_cleanup_close_ int lock = network_lock(&attach->home, err);
	struct err ignored = ERR_INIT;
	size_t place = 0;
	int r, left = 0;

	while (place < NIC_MAX && attach->nics[place].used)
		place++;
	if (lock < 0)
		return lock;
	if (place == NIC_MAX)
		return err_set(err, -E2BIG, "an instance has at most %d networks", NIC_MAX);
	r = attach_connect_at(attach, place, text, in, err);
	if (r < 0) {
		if (attach->nics[place].noted)
			(void)attach_unplug(&attach->home, &attach->nics[place].port, &left,
					    &ignored);
		else if (attach->nics[place].nic.bridge)
			(void)ruleset_trim(&attach->home, &ignored);
		wire_sweep(left);
		attach_give_back(attach, &attach->nics[place]);
		attach_nic_release(&attach->nics[place]);
		attach_relate_rest(attach);
	}
	attach_list(attach);
	*ret_place = place;
	return r;
}

int attach_connect(struct attach *attach, const char *text, pid_t pid, struct err *err)
{
	const struct attach_way_in in = { .pid = pid };
	size_t place;

	return attach_connect_by(attach, text, &in, &place, err);
}

int attach_connect_card(struct attach *attach, const char *text, unsigned int cpus,
			struct attach_card *ret, struct err *err)
{
	const struct attach_way_in in = { .cpus = cpus };
	size_t place;

	if (attach_connect_by(attach, text, &in, &place, err) < 0)
		return err->code;
	*ret = (struct attach_card){ .nic = attach->nics[place].card,
				     .setup = nic_setup_format(&attach->nics[place].setup) };
	return 0;
}

static struct attach_nic *attach_find(struct attach *attach, const char *network)
{
	const char *bridge = !strncmp(network, "bridge=", 7) ? network + 7 : NULL;

	for (size_t i = 0; i < NIC_MAX; i++) {
		struct attach_nic *nic = &attach->nics[i];
		const char *name = bridge ? nic->nic.bridge : nic->nic.network;

		if (nic->used && name && !strcmp(name, bridge ? bridge : network))
			return nic;
	}
	return NULL;
}

static struct attach_nic *attach_find_free(struct attach *attach, const char *network,
					   struct err *err)
{
	struct attach_nic *nic = attach_find(attach, network);

	if (!nic)
		err_set(err, -ENOENT, "it is not on the network '%s'", network);
	else if (nic->port.publish)
		err_set(err, -EBUSY,
			"its ports are published through '%s'; 'brig set NAME ports=none' ends "
			"that",
			network);
	return nic && !nic->port.publish ? nic : NULL;
}

int attach_card(struct attach *attach, const char *network, struct attach_card *ret,
		struct err *err)
{
	const struct attach_nic *nic = attach_find_free(attach, network, err);

	if (!nic)
		return err->code;
	*ret = (struct attach_card){ .nic = nic->card, .setup = nic_setup_format(&nic->setup) };
	return 0;
}

int attach_disconnect(struct attach *attach, const char *network, struct err *err)
{
	struct attach_nic *nic = attach_find_free(attach, network, err);
	_cleanup_close_ int lock = nic ? network_lock(&attach->home, err) : -EBADF;
	int r, left;

	if (lock < 0)
		return err->code;
	r = wire_remove(nic->port.device, err);
	if (r == 0)
		r = attach_unplug(&attach->home, &nic->port, &left, err);
	if (r == 0) {
		attach_give_back(attach, nic);
		attach_nic_release(nic);
		attach_relate_rest(attach);
	}
	attach_list(attach);
	return r;
}

/* Of those that are held, only the ones of ports stay. */
static void attach_sift(struct attach *attach, char *const *ports)
{
	size_t kept = 0;

	for (size_t i = 0; i < attach->n_holds; i++) {
		if (strv_has(ports, attach->holds[i].text))
			attach->holds[kept++] = attach->holds[i];
		else
			attach_let_go(&attach->holds[i]);
	}
	attach->n_holds = kept;
}

static int attach_move_port(struct attach *attach, struct port *port, char *const *ports,
			    struct err *err)
{
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, err);
	int r = sock < 0 ? sock : ruleset_remove_port(&attach->home, port, err);

	if (sock < 0)
		return sock;
	strv_free(port->publish);
	port->publish = strv_dup(ports);
	if (r == 0)
		r = port_save(&attach->home, port, err);
	if (r == 0)
		r = ruleset_add_port(&attach->home, port, err);
	return r < 0 ? r : wire_refresh_port(sock, port, err);
}

static int attach_limit_one(struct attach *attach, int sock, const struct nic *wanted,
			    struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < NIC_MAX && r == 0; i++) {
		struct attach_nic *nic = &attach->nics[i];

		if (!nic->used || memcmp(nic->nic.mac, wanted->mac, sizeof(wanted->mac)) != 0 ||
		    nic->nic.rate == wanted->rate)
			continue;
		nic->nic.rate = nic->port.rate = wanted->rate;
		r = port_save(&attach->home, &nic->port, err);
		if (r == 0)
			r = wire_limit_port(sock, &nic->port, err);
	}
	return r;
}

int attach_limit(struct attach *attach, char *const *networks, struct err *err)
{
	_cleanup_close_ int lock = network_lock(&attach->home, err);
	_cleanup_close_ int sock = lock < 0 ? -EBADF : netlink_open(NETLINK_ROUTE, -EBADF, err);
	int r = sock < 0 ? err->code : 0;

	for (size_t i = 0; r == 0 && networks && networks[i]; i++) {
		_cleanup_nic_ struct nic nic = { 0 };

		r = nic_parse(networks[i], i, &nic, err);
		if (r == 0)
			r = attach_limit_one(attach, sock, &nic, err);
	}
	return r;
}

int attach_republish(struct attach *attach, char *const *ports, struct err *err)
{
	_cleanup_close_ int lock = network_lock(&attach->home, err);
	struct attach_nic *nic = attach_front(attach);
	_cleanup_strv_ char **added = NULL;
	size_t before = attach->n_holds;

	if (lock < 0)
		return lock;
	if (!nic)
		return ports ? attach_publish(attach, ports, err) : 0;
	if (ports && nic->ip.family && fabric_open_loopback(nic->port.bridge, err) < 0)
		return err->code;
	strv_for_each(text, ports) {
		if (!strv_has(nic->port.publish, *text))
			strv_add(&added, *text);
	}
	if (attach_hold(attach, added, err) < 0)
		return err->code;
	if (attach_move_port(attach, &nic->port, ports, err) < 0) {
		attach_let_go_after(attach, before);
		return err->code;
	}
	attach_sift(attach, ports);
	return 0;
}

/* Its record cannot be read: what it had of rules and names is looked for everywhere. */
static int attach_clean_damaged(const struct network_home *home, const char *instance,
				const char *device, int *ret_index, struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	struct err ignored = ERR_INIT;
	int r = wire_unplug(device, ret_index, err);

	if (r == 0)
		r = network_names(home, &names, err);
	strv_for_each(name, names) {
		ignored = ERR_INIT;
		(void)names_remove(home, *name, instance, &ignored);
	}
	if (r < 0)
		return r;
	port_remove(home, device);
	r = ruleset_trim(home, err);
	if (r == 0)
		r = ruleset_apply(home, err);
	return r < 0 ? r : 0;
}

int attach_clean(const struct network_home *home, const char *instance, struct err *err)
{
	_cleanup_close_ int lock = -EBADF;

	for (size_t place = 0; place < NIC_MAX; place++) {
		_cleanup_port_ struct port port = { 0 };
		char device[NIC_NAME_MAX];
		struct err damage = ERR_INIT;
		int r, left;

		port_device_name(home, instance, place, device);
		r = port_load(home, device, &port, &damage);
		if (r == -ENOENT)
			continue;
		if (lock < 0)
			lock = network_lock(home, err);
		if (lock < 0)
			return lock;
		r = r < 0 ? attach_clean_damaged(home, instance, device, &left, err)
			  : attach_unplug(home, &port, &left, err);
		if (r < 0)
			return r;
		wire_sweep(left);
	}
	if (lock >= 0)
		port_sweep(home);
	return 0;
}

void attach_reclaim(const struct network_home *home, const char *instance, char *const *networks)
{
	_cleanup_strv_ char **names = NULL;
	struct err ignored = ERR_INIT;
	_cleanup_close_ int lock = -EBADF;

	(void)network_names(home, &names, &ignored);
	if (names)
		lock = network_lock(home, &ignored);
	for (size_t i = 0; lock >= 0 && names[i]; i++) {
		ignored = ERR_INIT;
		(void)lease_drop_others(home, names[i], instance, networks, &ignored);
	}
}

void attach_forget(const struct network_home *home, const char *instance, char *const *networks)
{
	struct err ignored = ERR_INIT;
	_cleanup_close_ int lock = -EBADF;

	for (size_t i = 0; networks && networks[i]; i++) {
		_cleanup_nic_ struct nic nic = { 0 };

		ignored = ERR_INIT;
		if (nic_parse(networks[i], i, &nic, &ignored) < 0 || !nic.network ||
		    !network_exists(home, nic.network))
			continue;
		if (lock < 0)
			lock = network_lock(home, &ignored);
		if (lock >= 0)
			(void)lease_drop(home, nic.network, instance, nic.mac, &ignored);
	}
}
