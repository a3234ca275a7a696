// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "base/units.h"
#include "cli/home.h"
#include "cli/listing.h"
#include "instance/acls.h"

#include <stdio.h>

static int acl_done(int r, const char *name)
{
	if (r == 0)
		puts(name);
	return r;
}

static int acl_create(const struct cli_context *cli, const void *values _unused_, char **args,
		      struct err *err)
{
	const struct instance_home home = home_of(cli);

	return acl_done(acls_create(&home, args[0], args + 1, err), args[0]);
}

static int acl_add(const struct cli_context *cli, const void *values _unused_, char **args,
		   struct err *err)
{
	const struct instance_home home = home_of(cli);

	return acl_done(acls_add(&home, args[0], args + 1, err), args[0]);
}

static int acl_drop(const struct cli_context *cli, const void *values _unused_, char **args,
		    struct err *err)
{
	const struct instance_home home = home_of(cli);

	return acl_done(acls_drop(&home, args[0], args + 1, err), args[0]);
}

static int acl_rm(const struct cli_context *cli, const void *values _unused_, char **args,
		  struct err *err)
{
	const struct instance_home home = home_of(cli);

	strv_for_each(name, args) {
		if (acl_done(acls_remove(&home, *name, err), *name) < 0)
			return err->code;
	}
	return 0;
}

/* --- ls, inspect --- */

static const char *acl_ls_name(const void *item)
{
	return ((const struct acls_view *)item)->record.name;
}

static struct json *acl_ls_json(const void *item)
{
	const struct acls_view *view = item;
	const struct acl *record = &view->record;
	struct json *object = json_new_object();
	char created[UNITS_TEXT_MAX];

	json_object_add(object, "name", json_new_string(record->name));
	json_object_add(object, "created",
			json_new_string(record->created
						? units_format_time(record->created, created)
						: NULL));
	json_object_add(object, "rules", json_new_strv(record->rules));
	json_object_add(object, "used_by", json_new_strv(view->instances));
	json_object_add(object, "networks", json_new_strv(view->networks));
	json_object_add(object, "damaged", json_new_bool(view->damaged));
	return object;
}

static void acl_ls_row(const void *item, struct table *table)
{
	const struct acls_view *view = item;
	_cleanup_free_ char *used_by = strv_join(view->instances, ", ");
	_cleanup_free_ char *networks = strv_join(view->networks, ", ");
	char rules[UNITS_TEXT_MAX];
	const char *const cells[] = { view->record.name, rules, used_by, networks };

	snprintf(rules, sizeof(rules), "%zu", strv_len(view->record.rules));
	if (view->damaged)
		snprintf(rules, sizeof(rules), "damaged");
	table_add(table, (char *const *)cells);
}

static const char *const acl_ls_headings[] = { "NAME", "RULES", "USED BY", "NETWORKS", NULL };

static const struct listing_kind acl_ls_kind = {
	.headings = acl_ls_headings,
	.name = acl_ls_name,
	.row = acl_ls_row,
	.json = acl_ls_json,
};

static int acl_ls_each(const struct acls_view *view, void *ctx)
{
	listing_add(ctx, view);
	return 0;
}

static int acl_list(const struct cli_context *cli, const void *values, char **args _unused_,
		    struct err *err)
{
	const struct instance_home home = home_of(cli);
	struct listing listing;
	int r;

	listing_init(&listing, &acl_ls_kind, values);
	r = acls_each(&home, acl_ls_each, &listing, err);
	if (r == 0)
		listing_print(&listing);
	listing_release(&listing);
	return r;
}

static int acl_inspect(const struct cli_context *cli, const void *values _unused_, char **args,
		       struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_json_ struct json *array = json_new_array();

	strv_for_each(name, args) {
		_cleanup_acls_view_ struct acls_view view = { 0 };

		if (acls_view(&home, *name, &view, err) < 0)
			return err->code;
		json_array_add(array, acl_ls_json(&view));
	}
	json_print(array);
	return 0;
}

/* --- the table --- */

const struct verb cli_acl_verbs[] = {
	{
		.noun = "acl",
		.name = "create",
		.group = "Networks",
		.args = "NAME [RULE...]",
		.summary = "Make a list of rules for what instances send and get",
		.description =
			"Makes a list of rules, for interfaces ('--network lan,acl=NAME') and "
			"networks ('brig network create --acl'). A rule is\n\n"
			"  ingress|egress allow|drop|reject [tcp|udp|icmp] [port N[-M],...]\n"
			"    [from|to ADDRESS[/PREFIX]|@NETWORK] [log]\n\n"
			"with 'from' for what comes in and 'to' for what goes out. The first "
			"rule that fits decides. A direction for which there is any rule is "
			"closed to all else, the other one is as it was. Answers always pass, "
			"as do ARP and neighbour discovery, and DHCP and DNS with the "
			"network's own gateway. The rules are for containers and VMs, and hold "
			"between the instances of one network, too; what is published ("
			"-p) is let in by its port inside.\n\n"
			"An interface's own lists come before its network's, eight in all. "
			"'reject' says so to who sends from inside, where the kernel can "
			"(nft_reject_bridge), and else drops. 'log' notes it in the kernel's "
			"log, as 'brig acl NAME: ', five times a second at most.",
		.examples =
			(const char *const[]){ "brig acl create web ingress allow tcp port 80,443",
					       "only the web server can be reached",
					       "brig acl create quiet egress allow to @lan",
					       "it speaks to that network alone",
					       "brig run -d --network lan,acl=web nginx", "use one",
					       NULL },
		.min_args = 1,
		.max_args = -1,
		.complete = "none",
		.run = acl_create,
	},
	{
		.noun = "acl",
		.name = "add",
		.group = "Networks",
		.args = "NAME RULE...",
		.summary = "Add rules to a list",
		.description =
			"Adds rules at the list's end. They hold at once for all that have it, "
			"also for connections that are there: one that came under the rules goes "
			"on for as long as they let one of its two sides begin it, one from "
			"before the first rule when the instance next sends something on it, if "
			"it may. So to end what came in to an instance that may send whatever it "
			"likes, deny both ways with who is at the other end.",
		.examples = (const char *const[]){ "brig acl add web ingress allow icmp",
						   "let it be pinged", NULL },
		.min_args = 2,
		.max_args = -1,
		.complete = "acl none",
		.run = acl_add,
	},
	{
		.noun = "acl",
		.name = "drop",
		.group = "Networks",
		.args = "NAME RULE|NUMBER",
		.summary = "Take a rule out of a list",
		.description =
			"Removes one rule, by its number in the list, from 1, or by its words. "
			"It holds at once. Without its last rule a direction is open.",
		.examples = (const char *const[]){ "brig acl drop web 2", "the second one", NULL },
		.min_args = 2,
		.max_args = -1,
		.complete = "acl none",
		.run = acl_drop,
	},
	{
		.noun = "acl",
		.name = "ls",
		.alias = "list",
		.group = "Networks",
		.summary = "List the lists of rules",
		.description = "Lists them, with the instances and networks that name each.",
		.options = listing_options_table,
		.values_size = sizeof(struct listing_options),
		.run = acl_list,
	},
	{
		.noun = "acl",
		.name = "inspect",
		.group = "Networks",
		.args = "NAME...",
		.summary = "Print the rules of lists, as JSON",
		.description = "Prints an array with one object for each list.",
		.min_args = 1,
		.max_args = -1,
		.complete = "acl",
		.run = acl_inspect,
	},
	{
		.noun = "acl",
		.name = "rm",
		.group = "Networks",
		.args = "NAME...",
		.summary = "Remove lists of rules",
		.description =
			"Removes lists and prints their names. One that an instance or a network "
			"names is refused.",
		.min_args = 1,
		.max_args = -1,
		.complete = "acl",
		.run = acl_rm,
	},
	{ .name = NULL },
};
