// SPDX-License-Identifier: GPL-2.0-or-later
/* Snapshots of instances, and copies of them. */
#include "instance/snapshot.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/home.h"
#include "cli/listing.h"

#include <stdio.h>

static int snapshot_make(const struct cli_context *cli, const void *values _unused_, char **args,
			 struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_free_ char *name = NULL;
	int r = snapshot_create(&home, args[0], args[1], &name, err);

	if (r == 0)
		puts(name);
	return r;
}

static const char *snapshot_ls_name(const void *item)
{
	return ((const struct snapshot *)item)->name;
}

static struct json *snapshot_ls_json(const void *item)
{
	const struct snapshot *snapshot = item;
	struct json *object = json_new_object();
	char created[UNITS_TEXT_MAX];

	json_object_add(object, "name", json_new_string(snapshot->name));
	json_object_add(object, "created",
			json_new_string(snapshot->damaged
						? NULL
						: units_format_time(snapshot->created, created)));
	json_object_add(
		object, "kind",
		json_new_string(snapshot->damaged ? NULL : instance_kind_names[snapshot->kind]));
	json_object_add(object, "running", json_new_bool(snapshot->running));
	json_object_add(object, "damaged", json_new_bool(snapshot->damaged));
	return object;
}

static void snapshot_ls_row(const void *item, struct table *table)
{
	const struct snapshot *snapshot = item;
	char age[UNITS_TEXT_MAX];
	_cleanup_free_ char *created =
		mem_printf("%s ago", units_format_age(units_now() - snapshot->created, age));
	const char *const cells[] = { snapshot->name, snapshot->damaged ? "damaged" : created,
				      snapshot->damaged ? "" : instance_kind_names[snapshot->kind],
				      snapshot->running ? "running" : "" };

	table_add(table, (char *const *)cells);
}

static const char *const snapshot_ls_headings[] = { "NAME", "CREATED", "KIND", "OF", NULL };

static const struct listing_kind snapshot_ls_kind = {
	.headings = snapshot_ls_headings,
	.name = snapshot_ls_name,
	.row = snapshot_ls_row,
	.json = snapshot_ls_json,
};

static int snapshot_ls_each(const struct snapshot *snapshot, void *ctx)
{
	listing_add(ctx, snapshot);
	return 0;
}

static int snapshot_list(const struct cli_context *cli, const void *values, char **args,
			 struct err *err)
{
	const struct instance_home home = home_of(cli);
	struct listing listing;
	int r;

	listing_init(&listing, &snapshot_ls_kind, values);
	r = snapshot_each(&home, args[0], snapshot_ls_each, &listing, err);
	if (r == 0)
		listing_print(&listing);
	listing_release(&listing);
	return r;
}

static int snapshot_roll_back(const struct cli_context *cli, const void *values _unused_,
			      char **args, struct err *err)
{
	const struct instance_home home = home_of(cli);
	int r = snapshot_restore(&home, args[0], args[1], err);

	if (r == 0)
		puts(args[0]);
	return r;
}

static int snapshot_rm(const struct cli_context *cli, const void *values _unused_, char **args,
		       struct err *err)
{
	const struct instance_home home = home_of(cli);
	int failed = 0;

	if (!args[2]) {
		int r = snapshot_remove(&home, args[0], args[1], err);

		if (r == 0)
			puts(args[1]);
		return r;
	}
	strv_for_each(name, args + 1) {
		struct err problem = ERR_INIT;

		if (snapshot_remove(&home, args[0], *name, &problem) < 0) {
			log_error("%s", problem.msg);
			failed = 1;
		} else {
			puts(*name);
		}
	}
	return failed ? CLI_FAILURE : 0;
}

struct snapshot_copy_options {
	char *snapshot;
};

static int snapshot_copy_run(const struct cli_context *cli, const void *values, char **args,
			     struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct snapshot_copy_options *options = values;
	int r = snapshot_copy(&home, args[0], options->snapshot, args[1], err);

	if (r == 0)
		puts(args[1]);
	return r;
}

static const struct option snapshot_copy_table[] = {
	{ "snapshot", 0, OPTION_STRING, "SNAP", "as it was then, instead of as it is",
	  offsetof(struct snapshot_copy_options, snapshot) },
	OPTION_END,
};

#define SNAPSHOT_STILL                                                                             \
	"A running container stands still for the moment that its files are cloned. In a running " \
	"virtual machine the file system does, with all that was written so far: who writes "      \
	"waits, the rest goes on. Programs are not told, as in a power cut. The disk of a paused " \
	"machine may lack what its kernel has not written yet. What a checkpoint has stopped is "  \
	"refused. On btrfs and xfs a clone shares its blocks with what it comes from; elsewhere "  \
	"they are copied."

const struct verb cli_snapshot_verbs[] = {
	{
		.noun = "snapshot",
		.name = "create",
		.group = "Snapshots",
		.args = "NAME [SNAP]",
		.summary = "Keep what an instance is now",
		.description =
			"Keeps an instance's settings and all files that it has written, and "
			"prints the snapshot's name: snap0, snap1 and so on if none is given. "
			"Volumes and folders of the host's are no part of it.\n\n" SNAPSHOT_STILL,
		.examples = (const char *const[]){ "brig snapshot create web before-update",
						   "give it a name", "brig snapshot create db",
						   "snap0, or the next one", NULL },
		.min_args = 1,
		.max_args = 2,
		.complete = "instance",
		.run = snapshot_make,
	},
	{
		.noun = "snapshot",
		.name = "ls",
		.alias = "list",
		.group = "Snapshots",
		.args = "NAME",
		.summary = "List an instance's snapshots",
		.description = "Lists the snapshots of an instance, the oldest first. OF says "
			       "whether it ran then.",
		.options = listing_options_table,
		.min_args = 1,
		.max_args = 1,
		.values_size = sizeof(struct listing_options),
		.complete = "instance",
		.run = snapshot_list,
	},
	{
		.noun = "snapshot",
		.name = "restore",
		.group = "Snapshots",
		.args = "NAME SNAP",
		.summary = "Make a stopped instance what it was",
		.description =
			"Gives a stopped instance the settings and files that the snapshot has "
			"kept. What it has written since is lost, unless another snapshot has it. "
			"Its name stays, and so do all its snapshots. Interrupted at any point, "
			"the instance is whole, in one of the two forms.",
		.examples = (const char *const[]){ "brig snapshot restore web before-update",
						   "as if the update had never been", NULL },
		.min_args = 2,
		.max_args = 2,
		.complete = "instance",
		.run = snapshot_roll_back,
	},
	{
		.noun = "snapshot",
		.name = "rm",
		.group = "Snapshots",
		.args = "NAME SNAP...",
		.summary = "Remove snapshots",
		.description = "Removes snapshots of an instance, and prints their names. 'brig "
			       "rm' removes an instance with all of its snapshots.",
		.min_args = 2,
		.max_args = -1,
		.complete = "instance",
		.run = snapshot_rm,
	},
	{
		.name = "copy",
		.group = "Snapshots",
		.args = "NAME NEW",
		.summary = "Make a second instance of one",
		.description =
			"Makes a new instance, not started, with the settings and files of another "
			"one. Its name is its own, and its host name if that was the name; it has "
			"no snapshots, and was not made with --rm. It shares the volumes of the "
			"other, and has the same /etc/machine-id if there is one. 'brig cp' copies "
			"files.\n\n" SNAPSHOT_STILL,
		.examples = (const char *const[]){ "brig copy web web2", "another one like it",
						   "brig copy --snapshot snap0 web old",
						   "look at what it was, beside it", NULL },
		.options = snapshot_copy_table,
		.min_args = 2,
		.max_args = 2,
		.values_size = sizeof(struct snapshot_copy_options),
		.complete = "instance",
		.run = snapshot_copy_run,
	},
	{ .name = NULL },
};
