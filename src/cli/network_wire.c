// SPDX-License-Identifier: GPL-2.0-or-later
/* What is plugged in where: changed while instances run, counted, and listened to. */
#include "base/mem.h"
#include "cli/home.h"
#include "cli/listing.h"
#include "instance/networks.h"
#include "instance/settings.h"
#include "net/port.h"
#include "net/traffic.h"
#include "proto/nic.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- connect, disconnect --- */

struct network_connect_options {
	char *ip, *ip6, *mac, *name;
};

/* The first of eth0, eth1... that none of the others has. */
static void network_free_name(char *const *networks, char ret[NIC_NAME_MAX])
{
	for (unsigned int i = 0; i <= NIC_MAX; i++) {
		int taken = 0;

		snprintf(ret, NIC_NAME_MAX, "eth%u", i);
		for (size_t j = 0; networks && networks[j]; j++) {
			_cleanup_nic_ struct nic nic = { 0 };
			struct err ignored = ERR_INIT;

			if (nic_parse(networks[j], j, &nic, &ignored) == 0)
				taken |= !strcmp(nic.name, ret);
		}
		if (!taken)
			return;
	}
}

/* As the record is to have it: with a name and a MAC. */
static int network_interface_text(const char *network,
				  const struct network_connect_options *options,
				  char *const *networks, char **ret, struct err *err)
{
	_cleanup_strv_ char **words = NULL;
	_cleanup_nic_ struct nic nic = { 0 };
	_cleanup_free_ char *text = NULL;
	char name[NIC_NAME_MAX];

	network_free_name(networks, name);
	strv_add(&words, network);
	strv_add_printf(&words, "name=%s", options->name ? options->name : name);
	if (options->ip)
		strv_add_printf(&words, "ip=%s", options->ip);
	if (options->ip6)
		strv_add_printf(&words, "ip6=%s", options->ip6);
	if (options->mac)
		strv_add_printf(&words, "mac=%s", options->mac);
	text = strv_join(words, ",");
	if (nic_parse(text, 0, &nic, err) < 0)
		return err->code;
	if (!nic.has_mac)
		nic_make_mac(nic.mac);
	nic.has_mac = 1;
	*ret = nic_format(&nic);
	return 0;
}

static int network_change_instance(const struct instance_home *home, const char *name,
				   const char *key, const char *value, struct err *err)
{
	_cleanup_free_ char *assignment = mem_printf("%s=%s", key, value);
	char *assignments[] = { assignment, NULL };
	int r = settings_change(home, name, assignments, NULL, err);

	if (r == 0)
		puts(name);
	return r;
}

static int network_connect(const struct cli_context *cli, const void *values, char **args,
			   struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct network_home networks = networks_home(&home);
	_cleanup_network_ struct network network = { 0 };
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_free_ char *plain = mem_strndup(args[0], strcspn(args[0], ","));
	_cleanup_free_ char *text = NULL;
	int r = instance_load(&home, args[1], &record, err);

	if (r == 0 && strncmp(plain, "bridge=", 7) != 0 && strcmp(plain, NETWORK_DEFAULT) != 0)
		r = network_load(&networks, plain, &network, err);
	if (r == 0)
		r = network_interface_text(args[0], values, record.networks, &text, err);
	return r < 0 ? r : network_change_instance(&home, args[1], SETTINGS_CONNECT, text, err);
}

struct network_disconnect_options {
	int force;
};

static int network_disconnect(const struct cli_context *cli, const void *values, char **args,
			      struct err *err)
{
	const struct network_disconnect_options *options = values;
	const struct instance_home home = home_of(cli);

	return network_change_instance(
		&home, args[1], options->force ? SETTINGS_PULL : SETTINGS_DISCONNECT, args[0], err);
}

/* --- stats --- */

struct network_stats_item {
	const struct port *port;
	struct traffic traffic;
};

static const char *network_stats_name(const void *item)
{
	return ((const struct network_stats_item *)item)->port->instance;
}

static const char *network_port_network(const struct port *port)
{
	return port->network ? port->network : port->bridge;
}

static void network_stats_row(const void *item, struct table *table)
{
	const struct network_stats_item *row = item;
	const struct traffic *traffic = &row->traffic;
	const uint64_t numbers[] = { traffic->rx_bytes, traffic->rx_packets, traffic->rx_dropped,
				     traffic->tx_bytes, traffic->tx_packets, traffic->tx_dropped };
	char text[ARRAY_SIZE(numbers)][24];
	const char *cells[3 + ARRAY_SIZE(numbers)] = { row->port->instance,
						       network_port_network(row->port),
						       row->port->device };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		snprintf(text[i], sizeof(text[i]), "%ju", (uintmax_t)numbers[i]);
		cells[3 + i] = text[i];
	}
	table_add(table, (char *const *)cells);
}

static struct json *network_stats_json(const void *item)
{
	const struct network_stats_item *row = item;
	const struct traffic *traffic = &row->traffic;
	struct json *object = json_new_object();
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{ "rx_bytes", traffic->rx_bytes },     { "rx_packets", traffic->rx_packets },
		{ "rx_dropped", traffic->rx_dropped }, { "tx_bytes", traffic->tx_bytes },
		{ "tx_packets", traffic->tx_packets }, { "tx_dropped", traffic->tx_dropped },
	};

	json_object_add(object, "instance", json_new_string(row->port->instance));
	json_object_add(object, "network", json_new_string(network_port_network(row->port)));
	json_object_add(object, "device", json_new_string(row->port->device));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		json_object_add(object, numbers[i].key, json_new_int((int64_t)numbers[i].value));
	return object;
}

static const char *const network_stats_headings[] = { "INSTANCE", "NETWORK",	"DEVICE",
						      "RX",	  "RX-PACKETS", "RX-DROPPED",
						      "TX",	  "TX-PACKETS", "TX-DROPPED",
						      NULL };

static const struct listing_kind network_stats_kind = {
	.headings = network_stats_headings,
	.name = network_stats_name,
	.row = network_stats_row,
	.json = network_stats_json,
};

static int network_stats(const struct cli_context *cli, const void *values, char **args,
			 struct err *err _unused_)
{
	const struct instance_home home = home_of(cli);
	const struct network_home networks = networks_home(&home);
	_cleanup_port_list_ struct port_list ports = { 0 };
	_cleanup_listing_ struct listing listing = { 0 };

	port_list_load(&networks, NULL, &ports);
	listing_init(&listing, &network_stats_kind, values);
	for (size_t i = 0; i < ports.n; i++) {
		struct network_stats_item item = { .port = &ports.items[i] };
		struct err gone = ERR_INIT;

		if (args && *args && !strv_has(args, item.port->instance) &&
		    !strv_has(args, network_port_network(item.port)))
			continue;
		if (traffic_read(item.port->device, &item.traffic, &gone) == 0)
			listing_add(&listing, &item);
	}
	listing_print(&listing);
	return 0;
}

/* --- trace --- */

struct network_trace_options {
	char *network, *write;
};

/* The interface of an instance's, or a network's bridge; caller frees. */
static char *network_trace_device(const struct network_home *home, const char *name,
				  const char *network, struct err *err)
{
	_cleanup_port_list_ struct port_list ports = { 0 };
	_cleanup_network_ struct network record = { 0 };
	struct err unknown = ERR_INIT;

	port_list_load(home, NULL, &ports);
	for (size_t i = 0; i < ports.n; i++) {
		const struct port *port = &ports.items[i];

		if (!strcmp(port->instance, name) &&
		    (!network || !strcmp(network_port_network(port), network)))
			return mem_strdup(port->device);
	}
	if (!network && network_load(home, name, &record, &unknown) == 0)
		return mem_strdup(record.device);
	err_set(err, -ENOENT,
		"'%.64s' is no instance that runs with a network%s%.64s, and no network", name,
		network ? " " : "", network ? network : "");
	return NULL;
}

static int network_trace(const struct cli_context *cli, const void *values, char **args,
			 struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct network_home networks = networks_home(&home);
	const struct network_trace_options *options = values;
	_cleanup_free_ char *device =
		network_trace_device(&networks, args[0], options->network, err);
	_cleanup_strv_ char **command = NULL;

	if (!device)
		return err->code;
	strv_add(&command, "tcpdump");
	strv_add(&command, "-n");
	strv_add(&command, "-i");
	strv_add(&command, device);
	if (options->write) {
		strv_add(&command, "-w");
		strv_add(&command, options->write);
	}
	strv_add(&command, "--");
	for (char **word = args + 1; *word; word++)
		strv_add(&command, *word);
	execvp(command[0], command);
	return errno == ENOENT ? err_set(err, -ENOENT, "tcpdump is not installed: install tcpdump")
			       : err_errno(err, -errno, "cannot run tcpdump");
}

#define CONNECT(name_, metavar_, help_, member)                                                 \
	{                                                                                       \
		.name = (name_), .type = OPTION_STRING, .metavar = (metavar_), .help = (help_), \
		.offset = offsetof(struct network_connect_options, member)                      \
	}

static const struct option network_connect_table[] = {
	CONNECT("ip", "ADDRESS", "with this IPv4 address", ip),
	CONNECT("ip6", "ADDRESS", "with this IPv6 address", ip6),
	CONNECT("mac-address", "MAC", "with this address on the wire", mac),
	CONNECT("name", "NAME", "what the interface is called inside", name),
	OPTION_END,
};

static const struct option network_disconnect_table[] = {
	{ "force", 'f', OPTION_FLAG, NULL, "pull a VM's card, whether its guest lets go or not",
	  offsetof(struct network_disconnect_options, force) },
	OPTION_END,
};

static const struct option network_trace_table[] = {
	{ "network", 0, OPTION_STRING, "NAME", "its interface in this network; else the first",
	  offsetof(struct network_trace_options, network), .complete = "network" },
	{ "write", 'w', OPTION_STRING, "FILE", "write the packets to a file, as pcap",
	  offsetof(struct network_trace_options, write), .complete = "file" },
	OPTION_END,
};

const struct verb cli_network_wire_verbs[] = {
	{
		.noun = "network",
		.name = "connect",
		.group = "Networks",
		.args = "NETWORK INSTANCE",
		.summary = "Put an instance on one more network",
		.description =
			"The instance has one more interface, at once if it runs. A VM gets a card "
			"more, which its guest finds and sets up; only the engine 'kvm' does that, "
			"and one on 'qemu' has to be stopped for it. NETWORK is as for --network "
			"of 'run'.",
		.examples = (const char *const[]){ "brig network connect --ip 10.9.0.7 db web",
						   "the instance web reaches what is on db, too",
						   NULL },
		.options = network_connect_table,
		.min_args = 2,
		.max_args = 2,
		.values_size = sizeof(struct network_connect_options),
		.complete = "network instance",
		.run = network_connect,
	},
	{
		.noun = "network",
		.name = "disconnect",
		.group = "Networks",
		.args = "NETWORK INSTANCE",
		.summary = "Take an instance off a network",
		.description =
			"The instance loses its interface there, its addresses and the connections "
			"over it; at once if it runs. A VM's guest is asked to let go of the card "
			"first, and "
			"keeps it if it does not do so in time. As for 'connect', a VM on the "
			"engine 'qemu' has to be stopped for it.",
		.options = network_disconnect_table,
		.values_size = sizeof(struct network_disconnect_options),
		.min_args = 2,
		.max_args = 2,
		.complete = "network instance",
		.run = network_disconnect,
	},
	{
		.noun = "network",
		.name = "stats",
		.group = "Networks",
		.args = "[NAME...]",
		.summary = "Count what passes the interfaces of instances",
		.description = "Lists the interfaces of the instances that run, or of those and of "
			       "the networks "
			       "that are named, with the bytes and packets that each has received "
			       "(RX) and "
			       "sent since the instance's start, and what was dropped on the way.",
		.options = listing_options_table,
		.max_args = -1,
		.values_size = sizeof(struct listing_options),
		.complete = "network",
		.run = network_stats,
	},
	{
		.noun = "network",
		.name = "trace",
		.group = "Networks",
		.args = "NAME [FILTER...]",
		.summary = "Show the packets of an instance or of a network",
		.description = "Runs tcpdump(8) on the host's end of an instance's interface, or "
			       "on a network's "
			       "bridge, until it is interrupted. FILTER is an expression of "
			       "pcap-filter(7).",
		.examples = (const char *const[]){ "brig network trace web port 80",
						   "what the instance web serves", NULL },
		.options = network_trace_table,
		.mode = OPTION_LEAD,
		.min_args = 1,
		.max_args = -1,
		.values_size = sizeof(struct network_trace_options),
		.complete = "running none",
		.run = network_trace,
	},
	{ .name = NULL },
};
