// SPDX-License-Identifier: GPL-2.0-or-later
/* Snapshots of instances, and copies of them. */
#include "instance/schedule.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/home.h"
#include "cli/listing.h"
#include "image/difference.h"
#include "instance/snapshot.h"

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
	json_object_add(object, "scheduled", json_new_bool(snapshot->scheduled));
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

/* --- what is due --- */

static void snapshot_run_made(void *ctx _unused_, const char *name, const char *snap)
{
	printf("%s %s\n", name, snap);
}

static void snapshot_run_failed(void *ctx, const char *name, const struct err *err)
{
	int *failed = ctx;

	log_error("'%s': %s", name, err->msg);
	*failed = 1;
}

static int snapshot_run_due(const struct cli_context *cli, const void *values _unused_,
			    char **args _unused_, struct err *err)
{
	const struct instance_home home = home_of(cli);
	int failed = 0;
	const struct schedule_events events = { .made = snapshot_run_made,
						.failed = snapshot_run_failed,
						.ctx = &failed };
	int r = schedule_run(&home, &events, err);

	return r == 0 && failed ? CLI_FAILURE : r;
}

/* --- what has changed --- */

struct snapshot_diff_options {
	int json;
};

struct snapshot_diff_output {
	struct json *array; /* NULL: lines are printed */
};

static const struct option snapshot_diff_table[] = {
	{ "json", 0, OPTION_FLAG, NULL, "print JSON",
	  offsetof(struct snapshot_diff_options, json) },
	OPTION_END,
};

static const char *snapshot_diff_word(char change)
{
	return change == DIFFERENCE_ADDED     ? "added"
	       : change == DIFFERENCE_REMOVED ? "removed"
					      : "changed";
}

/* A name is whatever who made the file liked, and a line is one name: what ends or moves it is written as \\ooo. */
static void snapshot_diff_line(char change, const char *path)
{
	printf("%c ", change);
	for (const char *at = path; *at; at++) {
		unsigned char c = (unsigned char)*at;

		if (c < ' ' || c == 0x7f || c == '\\')
			printf("\\%03o", c);
		else
			putchar(c);
	}
	putchar('\n');
}

static int snapshot_diff_each(char change, const char *path, void *ctx)
{
	const struct snapshot_diff_output *output = ctx;
	struct json *object;

	if (!output->array) {
		snapshot_diff_line(change, path);
		return 0;
	}
	object = json_new_object();
	json_object_add(object, "change", json_new_string(snapshot_diff_word(change)));
	json_object_add(object, "path", json_new_string(path));
	json_array_add(output->array, object);
	return 0;
}

static int snapshot_diff_print(const struct cli_context *cli, const void *values, const char *name,
			       const char *from, const char *to, struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct snapshot_diff_options *options = values;
	_cleanup_json_ struct json *array = options->json ? json_new_array() : NULL;
	struct snapshot_diff_output output = { .array = array };
	_cleanup_free_ char *text = NULL;
	int r = snapshot_diff(&home, name, from, to, snapshot_diff_each, &output, err);

	if (r < 0 || !array)
		return r;
	text = json_text(array, 1);
	puts(text);
	return 0;
}

static int snapshot_diff_run(const struct cli_context *cli, const void *values, char **args,
			     struct err *err)
{
	return snapshot_diff_print(cli, values, args[0], args[1], args[2], err);
}

static int snapshot_diff_image(const struct cli_context *cli, const void *values, char **args,
			       struct err *err)
{
	return snapshot_diff_print(cli, values, args[0], NULL, NULL, err);
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

#define SNAPSHOT_DIFF                                                                          \
	"Two files of the same size, owner, mode, attributes and time of change count as the " \
	"same; their contents are not read. Below a removed folder nothing is listed. A "      \
	"running container stands still meanwhile, and in a running virtual machine its file " \
	"system. Control characters and \\ in names are written as \\ooo."

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
			"Its name stays, and so do all its snapshots and their schedule. "
			"Interrupted at any point, "
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
		.noun = "snapshot",
		.name = "run",
		.group = "Snapshots",
		.summary = "Make the snapshots that are due",
		.description =
			"Makes a snapshot, auto-DATE-TIME, of each instance that was made with "
			"--snapshot-every and whose newest one of the kind is that old, and "
			"removes "
			"those of the kind that are older than its --snapshot-expiry; the newest "
			"stays, and so do all that were made by hand. Prints NAME SNAP for each. "
			"One "
			"that fails does not stop the others. A stopped instance that has not run "
			"since its last one gets none. The systemd timer "
			"brig-snapshot.timer, once enabled, has this done every 15 minutes.",
		.run = snapshot_run_due,
	},
	{
		.noun = "snapshot",
		.name = "diff",
		.group = "Snapshots",
		.args = "NAME SNAP [SNAP2]",
		.summary = "Tell what has changed since a snapshot",
		.description =
			"Lists the files that an instance has added (A), changed (C) and removed "
			"(D) since a snapshot, or between two.\n\n" SNAPSHOT_DIFF,
		.examples = (const char *const[]){ "brig snapshot diff web before-update",
						   "what the update has done",
						   "brig snapshot diff web snap0 snap1",
						   "what came between the two", NULL },
		.options = snapshot_diff_table,
		.min_args = 2,
		.max_args = 3,
		.values_size = sizeof(struct snapshot_diff_options),
		.complete = "instance",
		.run = snapshot_diff_run,
	},
	{
		.name = "diff",
		.group = "Snapshots",
		.args = "NAME",
		.summary = "Tell what an instance has changed of its image",
		.description = "Lists the files that an instance has added to its image (A), "
			       "changed (C) and removed (D).\n\n" SNAPSHOT_DIFF,
		.examples = (const char *const[]){ "brig diff web", "what 'brig commit' would keep",
						   NULL },
		.options = snapshot_diff_table,
		.min_args = 1,
		.max_args = 1,
		.values_size = sizeof(struct snapshot_diff_options),
		.complete = "instance",
		.run = snapshot_diff_image,
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
