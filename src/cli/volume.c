// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/volume.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/home.h"
#include "cli/listing.h"
#include "cli/recipe.h"

#include <stdio.h>
#include <string.h>

struct volume_create_options {
	char **labels;
	int64_t size;
};

static int volume_create(const struct cli_context *cli, const void *values, char **args,
			 struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct volume_create_options *options = values;
	_cleanup_close_ int lock = -EBADF;
	int r = recipe_check_labels(options->labels, err);

	strv_for_each(label, options->labels) {
		if (r == 0 && !strchr(*label, '='))
			r = err_set(err, -EINVAL, "option --label: '%.64s' is no KEY=VALUE",
				    *label);
	}
	if (r == 0)
		r = lock = volume_lock(&home, err);
	if (r < 0)
		return r;
	strv_for_each(name, args) {
		if (volume_make(&home, *name, options->labels, options->size, err) < 0)
			return err->code;
		puts(*name);
	}
	return 0;
}

struct volume_ls_options {
	struct listing_options listing; /* first */
	int unused;
};

/* A volume, and where we are. */
struct volume_item {
	const struct instance_home *home;
	const struct volume_view *view;
};

static const char *volume_ls_name(const void *item)
{
	return ((const struct volume_item *)item)->view->record.name;
}

static struct json *volume_ls_json(const void *item)
{
	const struct volume_item *volume = item;
	const struct volume *record = &volume->view->record;
	_cleanup_free_ char *path = volume_data(volume->home, record->name);
	struct json *object = json_new_object();
	char created[UNITS_TEXT_MAX];

	json_object_add(object, "name", json_new_string(record->name));
	json_object_add(object, "created",
			json_new_string(record->created
						? units_format_time(record->created, created)
						: NULL));
	json_object_add(object, "path", json_new_string(path));
	json_object_add(object, "disk_size",
			volume->view->disk_size ? json_new_int(volume->view->disk_size) : NULL);
	json_object_add(object, "labels", json_new_strv(record->labels));
	json_object_add(object, "used_by", json_new_strv(volume->view->users));
	json_object_add(object, "damaged", json_new_bool(volume->view->damaged));
	return object;
}

static void volume_ls_row(const void *item, struct table *table)
{
	const struct volume_view *view = ((const struct volume_item *)item)->view;
	_cleanup_free_ char *used_by = view->users ? strv_join(view->users, ", ") : NULL;
	char age[UNITS_TEXT_MAX], size[UNITS_TEXT_MAX];
	_cleanup_free_ char *created =
		mem_printf("%s ago", units_format_age(units_now() - view->record.created, age));
	const char *const cells[] = { view->record.name, view->damaged ? "damaged" : created,
				      view->disk_size ? units_format_size(view->disk_size, size)
						      : NULL,
				      used_by };

	table_add(table, (char *const *)cells);
}

static const char *const volume_ls_headings[] = { "NAME", "CREATED", "DISK", "USED BY", NULL };

static const struct listing_kind volume_ls_kind = {
	.headings = volume_ls_headings,
	.name = volume_ls_name,
	.row = volume_ls_row,
	.json = volume_ls_json,
};

struct volume_ls {
	const struct instance_home *home;
	struct listing listing;
	int unused;
};

static int volume_ls_each(const struct volume_view *view, void *ctx)
{
	struct volume_ls *ls = ctx;
	const struct volume_item item = { .home = ls->home, .view = view };

	if (!ls->unused || !view->users)
		listing_add(&ls->listing, &item);
	return 0;
}

static int volume_list(const struct cli_context *cli, const void *values, char **args _unused_,
		       struct err *err)
{
	const struct volume_ls_options *options = values;
	const struct instance_home home = home_of(cli);
	struct volume_ls ls = { .home = &home, .unused = options->unused };
	int r;

	listing_init(&ls.listing, &volume_ls_kind, &options->listing);
	r = volume_each(&home, volume_ls_each, &ls, err);
	if (r == 0)
		listing_print(&ls.listing);
	listing_release(&ls.listing);
	return r;
}

static int volume_inspect(const struct cli_context *cli, const void *values _unused_, char **args,
			  struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_json_ struct json *array = json_new_array();

	strv_for_each(name, args) {
		_cleanup_volume_view_ struct volume_view view = { 0 };
		const struct volume_item item = { .home = &home, .view = &view };

		if (volume_view(&home, *name, &view, err) < 0)
			return err->code;
		json_array_add(array, volume_ls_json(&item));
	}
	json_print(array);
	return 0;
}

static int volume_rm(const struct cli_context *cli, const void *values _unused_, char **args,
		     struct err *err)
{
	const struct instance_home home = home_of(cli);

	strv_for_each(name, args) {
		if (volume_remove(&home, *name, err) < 0)
			return err->code;
		puts(*name);
	}
	return 0;
}

struct volume_prune_options {
	int force;
};

struct volume_prune {
	const struct instance_home *home;
	struct err *err;
};

static int volume_prune_each(const struct volume_view *view, void *ctx)
{
	const struct volume_prune *prune = ctx;
	const char *name = view->record.name;
	struct err problem = ERR_INIT;
	int r = view->users ? -EBUSY : volume_remove(prune->home, name, &problem);

	if (r == 0)
		puts(name);
	/* taken into use, or removed by somebody else, meanwhile */
	if (r == 0 || r == -EBUSY || r == -ENOENT)
		return 0;
	*prune->err = problem;
	return r;
}

static int volume_prune(const struct cli_context *cli, const void *values, char **args _unused_,
			struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct volume_prune_options *options = values;
	struct volume_prune prune = { .home = &home, .err = err };

	if (!options->force)
		return err_set(err, -EPERM,
			       "this removes every volume in 'brig volume ls --unused', with all "
			       "that is in it; add --force");
	return volume_each(&home, volume_prune_each, &prune, err);
}

static const struct option volume_create_table[] = {
	{ "label", 'l', OPTION_STRV, "KEY=VALUE", "note this about it",
	  offsetof(struct volume_create_options, labels) },
	{ "size", 's', OPTION_SIZE, "SIZE", "a disk of this size, for a VM's --disk",
	  offsetof(struct volume_create_options, size) },
	OPTION_END,
};

static const struct option volume_ls_table[] = {
	LISTING_OPTIONS,
	{ "unused", 0, OPTION_FLAG, NULL, "only those that no instance uses",
	  offsetof(struct volume_ls_options, unused) },
	OPTION_END,
};

static const struct option volume_prune_table[] = {
	{ "force", 'f', OPTION_FLAG, NULL, "do it", offsetof(struct volume_prune_options, force) },
	OPTION_END,
};

const struct verb cli_volume_verbs[] = {
	{
		.noun = "volume",
		.name = "create",
		.group = "Volumes",
		.args = "NAME...",
		.summary = "Make volumes",
		.description =
			"Makes empty volumes: folders that outlive the instances that use them, by "
			"'brig run -v NAME:/path'. One that is there already stays as it is. 'run' "
			"and 'create' make those they name, too. None is made for what an image "
			"declares as a VOLUME: without -v that is written to the instance itself. "
			"With --size it is a disk of zeroes instead, which takes what is written "
			"to it, for one VM at a time. There it is /dev/disk/by-id/virtio-disk0, "
			"by 'brig run --vm --disk NAME'.",
		.examples = (const char *const[]){ "brig volume create db", "make it",
						   "brig volume create --size 100g store",
						   "make a disk for VMs",
						   "brig run -d -v db:/var/lib/db db:15",
						   "what the database writes there stays", NULL },
		.options = volume_create_table,
		.min_args = 1,
		.max_args = -1,
		.values_size = sizeof(struct volume_create_options),
		.complete = "none",
		.run = volume_create,
	},
	{
		.noun = "volume",
		.name = "ls",
		.alias = "list",
		.group = "Volumes",
		.summary = "List volumes",
		.description = "Lists the volumes, the size of those that are disks, and the "
			       "instances that use each.",
		.options = volume_ls_table,
		.values_size = sizeof(struct volume_ls_options),
		.run = volume_list,
	},
	{
		.noun = "volume",
		.name = "inspect",
		.group = "Volumes",
		.args = "NAME...",
		.summary = "Print all that is known of volumes, as JSON",
		.description = "Prints an array with one object for each volume; 'path' is where "
			       "its files are on the host, or its disk, and 'disk_size' the size "
			       "of the latter in bytes.",
		.min_args = 1,
		.max_args = -1,
		.complete = "volume",
		.run = volume_inspect,
	},
	{
		.noun = "volume",
		.name = "rm",
		.group = "Volumes",
		.args = "NAME...",
		.summary = "Remove volumes, with all that is in them",
		.description = "Removes volumes and prints their names. One that an instance uses, "
			       "whether or not it runs, is refused.",
		.min_args = 1,
		.max_args = -1,
		.complete = "volume",
		.run = volume_rm,
	},
	{
		.noun = "volume",
		.name = "prune",
		.group = "Volumes",
		.summary = "Remove the volumes that no instance uses",
		.description = "Removes every volume that no instance uses, and prints their "
			       "names.",
		.options = volume_prune_table,
		.values_size = sizeof(struct volume_prune_options),
		.run = volume_prune,
	},
	{ .name = NULL },
};
