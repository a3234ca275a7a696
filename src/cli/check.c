// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether all is as it should be. */
#include "instance/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/home.h"
#include "cli/listing.h"
#include "cli/progress.h"

struct check_values {
	struct listing_options listing;
	int repair;
};

static const struct option check_table[] = {
	{ "repair", 0, OPTION_FLAG, NULL, "mend what can be mended",
	  offsetof(struct check_values, repair) },
	LISTING_OPTIONS,
	OPTION_END,
};

static const char *check_ls_name(const void *item)
{
	return ((const struct store_problem *)item)->name;
}

static void check_ls_row(const void *item, struct table *table)
{
	const struct store_problem *problem = item;
	const char *const cells[] = { problem->kind, problem->name, problem->mended ? "yes" : "no",
				      problem->what };

	table_add(table, (char *const *)cells);
}

static struct json *check_ls_json(const void *item)
{
	const struct store_problem *problem = item;
	struct json *object = json_new_object();

	json_object_add(object, "kind", json_new_string(problem->kind));
	json_object_add(object, "name", json_new_string(problem->name));
	json_object_add(object, "problem", json_new_string(problem->what));
	json_object_add(object, "mended", json_new_bool(problem->mended));
	return object;
}

static const char *const check_headings[] = { "KIND", "NAME", "MENDED", "PROBLEM", NULL };

static const struct listing_kind check_ls_kind = {
	.headings = check_headings,
	.name = check_ls_name,
	.row = check_ls_row,
	.json = check_ls_json,
};

struct check_seen {
	struct listing *listing;
	int problems, mended;
};

static void check_found(void *ctx, const struct store_problem *problem)
{
	struct check_seen *seen = ctx;

	listing_add(seen->listing, problem);
	seen->problems++;
	seen->mended += problem->mended;
}

static int check_run(const struct cli_context *cli, const void *values, char **args _unused_,
		     struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct check_values *v = values;
	_cleanup_listing_ struct listing listing = { NULL };
	struct check_seen seen = { .listing = &listing };
	size_t unsealed = 0;
	const struct store_check how = { .repair = v->repair,
					 .found = check_found,
					 .ctx = &seen,
					 .progress = progress_show,
					 .n_unsealed = &unsealed };
	int r;

	listing_init(&listing, &check_ls_kind, &v->listing);
	r = check_all(&home, &how, err);
	progress_end();
	if (seen.problems || v->listing.json)
		listing_print(&listing);
	if (r < 0)
		return r;
	if (unsealed && !v->listing.json && !v->listing.quiet)
		log_notice("of %zu layers only the heads were compared: they have no digest, "
			   "since an older brig made them or their file system keeps none",
			   unsealed);
	if (!seen.problems && !v->listing.json && !v->listing.quiet)
		log_notice("nothing is wrong");
	return seen.problems > seen.mended ? CLI_FAILURE : 0;
}

static const char *const check_examples[] = {
	"brig check",
	"look whether all is as it should be",
	"brig check --repair",
	"mend what can be mended",
	NULL,
};

const struct verb cli_check_verbs[] = {
	{
		.name = "check",
		.group = "Host",
		.summary = "Look whether images and instances are whole",
		.description =
			"Reads every blob of the images and compares its digest; looks whether "
			"each layer that an image or an instance needs is there, and is that "
			"layer's, with the size and checksum that its head says and the bytes "
			"that were written; whether the "
			"records of instances, snapshots, volumes and kernels can be read, and "
			"what they name is there; and whether something is left of what was "
			"killed. Whatever is not as it should be is listed. It fails if "
			"anything of it is not mended.\n\n"
			"--repair makes layers anew of their blobs, ends or undoes what was "
			"begun, and removes what nothing leads to. It removes nothing that has a "
			"name. While something that would say what is needed cannot be read, no "
			"blob and no layer is removed. Images cannot be changed meanwhile.",
		.examples = check_examples,
		.options = check_table,
		.max_args = 0,
		.values_size = sizeof(struct check_values),
		.run = check_run,
	},
	{ .name = NULL },
};
