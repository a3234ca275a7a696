// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/home.h"
#include "cli/listing.h"
#include "instance/networks.h"
#include "net/lease.h"

static const char *leases_name(const void *item)
{
	return ((const struct lease *)item)->instance;
}

static struct json *leases_json(const void *item)
{
	const struct lease *lease = item;
	struct json *object = json_new_object();

	json_object_add(object, "instance", json_new_string(lease->instance));
	json_object_add(object, "mac", json_new_string(lease->mac));
	json_object_add(object, "ip", json_new_string(lease->ip));
	json_object_add(object, "ip6", json_new_string(lease->ip6));
	return object;
}

static void leases_row(const void *item, struct table *table)
{
	const struct lease *lease = item;
	const char *const cells[] = { lease->instance, lease->mac, lease->ip, lease->ip6 };

	table_add(table, (char *const *)cells);
}

static const char *const leases_headings[] = { "INSTANCE", "MAC", "IPV4", "IPV6", NULL };

static const struct listing_kind leases_kind = {
	.headings = leases_headings,
	.name = leases_name,
	.row = leases_row,
	.json = leases_json,
};

static int leases_run(const struct cli_context *cli, const void *values, char **args,
		      struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct network_home networks = networks_home(&home);
	_cleanup_network_ struct network network = { 0 };
	_cleanup_leases_ struct leases leases = { 0 };
	struct listing listing;
	int r = network_load(&networks, args[0], &network, err);

	if (r == 0)
		r = leases_load(&networks, args[0], &leases, err);
	if (r < 0)
		return r;
	listing_init(&listing, &leases_kind, values);
	for (size_t i = 0; i < leases.n; i++)
		listing_add(&listing, &leases.items[i]);
	listing_print(&listing);
	listing_release(&listing);
	return 0;
}

const struct verb cli_network_lease_verbs[] = {
	{
		.noun = "network",
		.name = "leases",
		.group = "Networks",
		.args = "NAME",
		.summary = "List the addresses that a network's instances have",
		.description = "An instance keeps its addresses as long as it is there and on the "
			       "network, "
			       "whether or not it runs.",
		.options = listing_options_table,
		.min_args = 1,
		.max_args = 1,
		.values_size = sizeof(struct listing_options),
		.complete = "network",
		.run = leases_run,
	},
	{ .name = NULL },
};
