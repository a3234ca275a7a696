// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/assignment.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/home.h"
#include "cli/listing.h"
#include "cli/recipe.h"
#include "instance/networks.h"
#include "proto/nic.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const network_none = "none";

/* --- create --- */

struct network_create_options {
	char *ipv4, *ipv6, *device, *parent;
	int type;
	int internal, isolated, routed, no_dhcp, no_dns;
	int64_t mtu, vlan;
	char **labels, **acls;
};

static enum plan_family network_family(const char *given)
{
	return given && !strcmp(given, network_none) ? PLAN_NONE : PLAN_CHOOSE;
}

static char *network_subnet(const char *given)
{
	return given && strcmp(given, network_none) != 0 ? mem_strdup(given) : NULL;
}

static int network_create(const struct cli_context *cli, const void *values, char **args,
			  struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct network_create_options *options = values;
	_cleanup_network_ struct network network = { 0 };
	int r = recipe_check_labels(options->labels, err);

	if (geteuid())
		return err_set(err, -EPERM,
			       "network '%.64s': networks take root; users' instances have "
			       "'--network " NIC_USER "', '" NIC_NONE "' or '" NIC_HOST "'",
			       args[0]);
	network_init(&network);
	network.name = mem_strdup(args[0]);
	network.type = options->type;
	network.ipv4 = network_subnet(options->ipv4);
	network.ipv6 = network_subnet(options->ipv6);
	network.device = mem_strdup(options->device);
	network.parent = mem_strdup(options->parent);
	network.vlan = options->vlan;
	network.mtu = options->mtu;
	network.internal = options->internal;
	network.isolated = options->isolated;
	network.labels = strv_dup(options->labels);
	network.acls = strv_dup(options->acls);
	/* who is on another's wire is behind nobody's NAT, and gets addresses from others */
	network.nat = !options->routed && !options->internal && !options->parent;
	network.dhcp = !options->no_dhcp && !options->parent;
	network.dns = !options->no_dns && !options->parent;
	if (r == 0)
		r = networks_create(&home, &network, network_family(options->ipv4),
				    network_family(options->ipv6), err);
	if (r == 0)
		puts(args[0]);
	return r;
}

/* --- ls, inspect --- */

struct network_ls_options {
	struct listing_options listing; /* first */
	int unused;
};

static const char *network_ls_name(const void *item)
{
	return ((const struct networks_view *)item)->record.name;
}

static const char *network_state(const struct networks_view *view)
{
	return view->damaged ? "damaged" : view->is_up ? "up" : "down";
}

static void network_json_words(struct json *object, const struct network *record)
{
	char created[UNITS_TEXT_MAX];
	const struct {
		const char *key, *value;
	} words[] = {
		{ "name", record->name },     { "type", network_type_names[record->type] },
		{ "device", record->device }, { "parent", record->parent },
		{ "ipv4", record->ipv4 },     { "ipv6", record->ipv6 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		json_object_add(object, words[i].key, json_new_string(words[i].value));
	json_object_add(object, "created",
			json_new_string(record->created
						? units_format_time(record->created, created)
						: NULL));
}

static struct json *network_ls_json(const void *item)
{
	const struct networks_view *view = item;
	const struct network *record = &view->record;
	struct json *object = json_new_object();
	const struct {
		const char *key;
		int value;
	} flags[] = {
		{ "nat", record->nat },		  { "internal", record->internal },
		{ "isolated", record->isolated }, { "dhcp", record->dhcp },
		{ "dns", record->dns },		  { "damaged", view->damaged },
	};

	network_json_words(object, record);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		json_object_add(object, flags[i].key, json_new_bool(flags[i].value));
	json_object_add(object, "vlan", json_new_int(record->vlan));
	json_object_add(object, "mtu", json_new_int(record->mtu));
	json_object_add(object, "labels", json_new_strv(record->labels));
	json_object_add(object, "acls", json_new_strv(record->acls));
	json_object_add(object, "state", json_new_string(network_state(view)));
	json_object_add(object, "used_by", json_new_strv(view->users));
	return object;
}

static void network_ls_row(const void *item, struct table *table)
{
	const struct networks_view *view = item;
	_cleanup_free_ char *used_by = view->users ? strv_join(view->users, ", ") : NULL;
	const char *const cells[] = { view->record.name,   network_type_names[view->record.type],
				      view->record.ipv4,   view->record.ipv6,
				      network_state(view), used_by };

	table_add(table, (char *const *)cells);
}

static const char *const network_ls_headings[] = { "NAME",  "TYPE",    "IPV4", "IPV6",
						   "STATE", "USED BY", NULL };

static const struct listing_kind network_ls_kind = {
	.headings = network_ls_headings,
	.name = network_ls_name,
	.row = network_ls_row,
	.json = network_ls_json,
};

struct network_ls {
	struct listing listing;
	int unused;
};

static int network_ls_each(const struct networks_view *view, void *ctx)
{
	struct network_ls *ls = ctx;

	if (!ls->unused || !view->users)
		listing_add(&ls->listing, view);
	return 0;
}

static int network_list(const struct cli_context *cli, const void *values, char **args _unused_,
			struct err *err)
{
	const struct network_ls_options *options = values;
	const struct instance_home home = home_of(cli);
	struct network_ls ls = { .unused = options->unused };
	int r;

	listing_init(&ls.listing, &network_ls_kind, &options->listing);
	r = networks_each(&home, network_ls_each, &ls, err);
	if (r == 0)
		listing_print(&ls.listing);
	listing_release(&ls.listing);
	return r;
}

static int network_inspect(const struct cli_context *cli, const void *values _unused_, char **args,
			   struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_json_ struct json *array = json_new_array();

	strv_for_each(name, args) {
		_cleanup_networks_view_ struct networks_view view = { 0 };

		if (networks_view(&home, *name, &view, err) < 0)
			return err->code;
		json_array_add(array, network_ls_json(&view));
	}
	json_print(array);
	return 0;
}

/* --- set --- */

static int network_parse_flag(const char *value, int *ret, struct err *err)
{
	int on = !strcmp(value, "yes") || !strcmp(value, "true");

	if (!on && strcmp(value, "no") != 0 && strcmp(value, "false") != 0)
		return err_set(err, -EINVAL, "it is 'yes' or 'no'");
	*ret = on;
	return 0;
}

static int network_parse_mtu(const char *value, int64_t *ret, struct err *err)
{
	if (!strcmp(value, "auto")) {
		*ret = 0;
		return 0;
	}
	return units_parse_int(value, 1, UINT16_MAX, ret, err);
}

static int network_set_acls(const char *value, char ***ret, struct err *err _unused_)
{
	strv_free(*ret);
	*ret = strcmp(value, network_none) != 0 ? strv_split(value, ",") : NULL;
	return 0;
}

/* KEY=VALUE of a record. */
static int network_assign(struct network *network, const char *assignment, struct err *err)
{
	static const char *const keys[] = { "nat", "internal", "isolated", "dhcp",
					    "dns", "mtu",      "acls",	   NULL };
	int *const flags[] = { &network->nat, &network->internal, &network->isolated,
			       &network->dhcp, &network->dns };
	const char *value = NULL;
	size_t i = 0;
	int r;

	while (keys[i] && !(value = assignment_value(assignment, keys[i])))
		i++;
	if (!keys[i])
		return assignment_refuse(assignment, keys, err);
	if (i < ARRAY_SIZE(flags))
		r = network_parse_flag(value, flags[i], err);
	else if (!strcmp(keys[i], "mtu"))
		r = network_parse_mtu(value, &network->mtu, err);
	else
		r = network_set_acls(value, &network->acls, err);
	return r < 0 ? err_wrap(err, "%s", keys[i]) : 0;
}

static int network_assign_all(struct network *network, void *ctx, struct err *err)
{
	char *const *assignments = ctx;

	strv_for_each(assignment, assignments) {
		if (network_assign(network, *assignment, err) < 0)
			return err->code;
	}
	return 0;
}

static int network_set(const struct cli_context *cli, const void *values _unused_, char **args,
		       struct err *err)
{
	const struct instance_home home = home_of(cli);
	int r = networks_change(&home, args[0], network_assign_all, args + 1, err);

	if (r == 0)
		puts(args[0]);
	return r;
}

/* --- rm, prune, repair --- */

static int network_rm(const struct cli_context *cli, const void *values _unused_, char **args,
		      struct err *err)
{
	const struct instance_home home = home_of(cli);

	strv_for_each(name, args) {
		if (networks_remove(&home, *name, err) < 0)
			return err->code;
		puts(*name);
	}
	return 0;
}

static int network_unused_each(const struct networks_view *view, void *ctx)
{
	if (!view->users)
		strv_add(ctx, view->record.name);
	return 0;
}

struct network_prune_options {
	int force;
};

static int network_prune(const struct cli_context *cli, const void *values, char **args _unused_,
			 struct err *err)
{
	const struct network_prune_options *options = values;
	const struct instance_home home = home_of(cli);
	_cleanup_strv_ char **unused = NULL;

	if (!options->force)
		return err_set(err, -EPERM,
			       "this removes every network in 'brig network ls --unused'; add "
			       "--force");
	if (networks_each(&home, network_unused_each, &unused, err) < 0)
		return err->code;
	strv_for_each(name, unused) {
		struct err problem = ERR_INIT;
		int r = networks_remove(&home, *name, &problem);

		/* in use by now, or removed by somebody else; or an ACL names it */
		if (r < 0 && r != -EBUSY && r != -ENOENT) {
			*err = problem;
			return r;
		}
		if (r == 0)
			puts(*name);
	}
	return 0;
}

static int network_name_each(const struct networks_view *view, void *ctx)
{
	strv_add(ctx, view->record.name);
	return 0;
}

static int network_repair(const struct cli_context *cli, const void *values _unused_, char **args,
			  struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_strv_ char **all = NULL;

	if (!args || !*args) {
		if (networks_each(&home, network_name_each, &all, err) < 0)
			return err->code;
		args = all;
	}
	strv_for_each(name, args) {
		if (networks_repair(&home, *name, err) < 0)
			return err->code;
		puts(*name);
	}
	return 0;
}

/* --- the table --- */

#define CREATE(name_, type_, metavar_, help_, member, ...)                                \
	{                                                                                 \
		.name = (name_), .type = (type_), .metavar = (metavar_), .help = (help_), \
		.offset = offsetof(struct network_create_options, member), __VA_ARGS__    \
	}

static const struct option network_create_table[] = {
	CREATE("type", OPTION_CHOICE, "TYPE", "bridge, the default, or macvlan", type,
	       .choices = network_type_names),
	CREATE("ipv4", OPTION_STRING, "ADDRESS/PREFIX",
	       "the host's address in it, its gateway; else one is chosen; or 'none'", ipv4),
	CREATE("ipv6", OPTION_STRING, "ADDRESS/PREFIX", "the same of IPv6", ipv6),
	CREATE("internal", OPTION_FLAG, NULL, "no way out of it, nor in", internal),
	CREATE("isolated", OPTION_FLAG, NULL, "its instances do not reach each other", isolated),
	CREATE("routed", OPTION_FLAG, NULL, "no NAT: others know the way to it, and come in",
	       routed),
	CREATE("no-dhcp", OPTION_FLAG, NULL, "no addresses by DHCP and router advertisements",
	       no_dhcp),
	CREATE("no-dns", OPTION_FLAG, NULL, "no names", no_dns),
	CREATE("mtu", OPTION_INT, "BYTES", "the MTU; else it follows the way out", mtu, .min = 576,
	       .max = UINT16_MAX),
	CREATE("parent", OPTION_STRING, "INTERFACE",
	       "be on the wire of this interface of the host's", parent),
	CREATE("vlan", OPTION_INT, "NUMBER", "in this VLAN of the parent", vlan, .min = 1,
	       .max = 4094),
	CREATE("device", OPTION_STRING, "NAME", "what the bridge's interface is called", device),
	CREATE("acl", OPTION_STRV, "NAME", "rules for all its instances", acls, .complete = "acl"),
	CREATE("label", OPTION_STRV, "KEY=VALUE", "note this about it", labels, .letter = 'l'),
	OPTION_END,
};

static const struct option network_ls_table[] = {
	LISTING_OPTIONS,
	{ "unused", 0, OPTION_FLAG, NULL, "only those that no instance uses",
	  offsetof(struct network_ls_options, unused) },
	OPTION_END,
};

static const struct option network_prune_table[] = {
	{ "force", 'f', OPTION_FLAG, NULL, "do it", offsetof(struct network_prune_options, force) },
	OPTION_END,
};

const struct verb cli_network_verbs[] = {
	{
		.noun = "network",
		.name = "create",
		.group = "Networks",
		.args = "NAME",
		.summary = "Make a network",
		.description =
			"Makes a network that containers and VMs can be on side by side: a bridge "
			"with "
			"addresses of its own, whose instances reach each other by name, the host, "
			"and by its address (NAT) what the host reaches. Its subnets are chosen so "
			"that "
			"they clash with nothing that the host knows a way to.\n\n"
			"--routed leaves NAT out, for networks that others have a route to; "
			"--internal has no way out at all. With --parent it has no addresses of "
			"its "
			"own: its instances are on the wire of that interface, as stations of "
			"their own, by a bridge that takes the interface in (it has no use for the "
			"host's own addresses then), or by macvlan, which leaves it as it is and "
			"is for "
			"containers alone. With --vlan that is a VLAN of the interface, "
			"PARENT.NUMBER, which is made if it is not there, and goes with the last "
			"network on it then.\n\n"
			"The network 'brig0' is made when an instance first needs it.",
		.examples =
			(const char *const[]){
				"brig network create lan", "make one, with all chosen",
				"brig network create --internal --ipv4 10.9.0.1/24 db",
				"nothing in it is reached from outside", NULL },
		.options = network_create_table,
		.min_args = 1,
		.max_args = 1,
		.values_size = sizeof(struct network_create_options),
		.complete = "none",
		.run = network_create,
	},
	{
		.noun = "network",
		.name = "ls",
		.alias = "list",
		.group = "Networks",
		.summary = "List networks",
		.description =
			"Lists the networks, and the instances that use each. One is down until "
			"an instance needs it, as after a boot.",
		.options = network_ls_table,
		.values_size = sizeof(struct network_ls_options),
		.run = network_list,
	},
	{
		.noun = "network",
		.name = "inspect",
		.group = "Networks",
		.args = "NAME...",
		.summary = "Print all that is known of networks, as JSON",
		.description = "Prints an array with one object for each network.",
		.min_args = 1,
		.max_args = -1,
		.complete = "network",
		.run = network_inspect,
	},
	{
		.noun = "network",
		.name = "set",
		.group = "Networks",
		.args = "NAME KEY=VALUE...",
		.summary = "Change the settings of a network",
		.description =
			"'nat', 'internal', 'isolated', 'dhcp' and 'dns' are yes or no, 'mtu' is "
			"a number or 'auto', 'acls' are names with commas between them, or "
			"'none'. They hold at once; what an instance was told at its start, as "
			"its MTU, it hears at its next one.",
		.examples = (const char *const[]){ "brig network set lan internal=yes",
						   "close the way out", NULL },
		.min_args = 2,
		.max_args = -1,
		.complete = "network none",
		.run = network_set,
	},
	{
		.noun = "network",
		.name = "rm",
		.group = "Networks",
		.args = "NAME...",
		.summary = "Remove networks",
		.description =
			"Removes networks and prints their names. One that an instance uses, "
			"whether or not it runs, is refused.",
		.min_args = 1,
		.max_args = -1,
		.complete = "network",
		.run = network_rm,
	},
	{
		.noun = "network",
		.name = "repair",
		.group = "Networks",
		.args = "[NAME...]",
		.summary = "Make anew what is missing of networks",
		.description =
			"Sets up bridges, addresses, rules and names of the networks as they "
			"should "
			"be, of all if none is named, and plugs in what runs. It is for when "
			"somebody has deleted a bridge, flushed the packet filter or killed "
			"what answers; a start of an instance looks after its own networks.",
		.max_args = -1,
		.complete = "network",
		.run = network_repair,
	},
	{
		.noun = "network",
		.name = "prune",
		.group = "Networks",
		.summary = "Remove the networks that no instance uses",
		.description =
			"Removes every network that no instance uses, and prints their names.",
		.options = network_prune_table,
		.values_size = sizeof(struct network_prune_options),
		.run = network_prune,
	},
	{ .name = NULL },
};
