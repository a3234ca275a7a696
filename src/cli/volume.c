// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/volume.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/home.h"

#include <stdio.h>
#include <string.h>

struct volume_create_options {
	char **labels;
};

static int volume_create(const struct cli_context *cli, const void *values, char **args,
			 struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct volume_create_options *options = values;
	_cleanup_close_ int lock = volume_lock(&home, err);

	if (lock < 0)
		return lock;
	strv_for_each(label, options->labels) {
		if (**label == '=' || !strchr(*label, '='))
			return err_set(err, -EINVAL, "option --label: '%.64s' is no KEY=VALUE",
				       *label);
	}
	strv_for_each(name, args) {
		if (volume_make(&home, *name, options->labels, err) < 0)
			return err->code;
		puts(*name);
	}
	return 0;
}

struct volume_ls_options {
	int json, quiet, no_header, unused;
};

static struct json *volume_to_json(const struct instance_home *home, const struct volume *volume,
				   char *const *users)
{
	_cleanup_free_ char *path = volume_data(home, volume->name);
	struct json *object = json_new_object();
	char created[UNITS_TEXT_MAX];

	json_object_add(object, "name", json_new_string(volume->name));
	json_object_add(object, "created",
			json_new_string(units_format_time(volume->created, created)));
	json_object_add(object, "path", json_new_string(path));
	json_object_add(object, "labels", json_new_strv(volume->labels));
	json_object_add(object, "used_by", json_new_strv(users));
	return object;
}

static void volume_add_row(struct table *table, const struct volume *volume, char *const *users)
{
	_cleanup_free_ char *used_by = users ? strv_join(users, ", ") : NULL;
	char text[UNITS_TEXT_MAX];
	_cleanup_free_ char *age =
		mem_printf("%s ago", units_format_age(units_now() - volume->created, text));
	const char *const cells[] = { volume->name, age, used_by };

	table_add(table, (char *const *)cells);
}

/* Volumes one after the other: those that are not used, or all of them. */
static int volume_walk(const struct instance_home *home, int unused,
		       int (*each)(const struct volume *volume, char *const *users, void *ctx,
				   struct err *err),
		       void *ctx, struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	int r = volume_names(home, &names, err);

	strv_for_each(name, names) {
		_cleanup_volume_ struct volume volume = { 0 };
		_cleanup_strv_ char **users = NULL;

		if (r < 0)
			break;
		r = volume_get(home, *name, &volume, err);
		if (r == 0)
			r = volume_users(home, *name, &users, err);
		if (r == 0 && (!unused || !users))
			r = each(&volume, users, ctx, err);
	}
	return r;
}

struct volume_list {
	const struct instance_home *home;
	const struct volume_ls_options *options;
	struct table *table;
	struct json *array;
};

static int volume_list_each(const struct volume *volume, char *const *users, void *ctx,
			    struct err *err _unused_)
{
	struct volume_list *list = ctx;

	if (list->options->json)
		json_array_add(list->array, volume_to_json(list->home, volume, users));
	else if (list->options->quiet)
		puts(volume->name);
	else
		volume_add_row(list->table, volume, users);
	return 0;
}

static int volume_ls(const struct cli_context *cli, const void *values, char **args _unused_,
		     struct err *err)
{
	static const char *const headings[] = { "NAME", "CREATED", "USED BY", NULL };
	const struct instance_home home = home_of(cli);
	_cleanup_table_ struct table *table = table_new(headings);
	_cleanup_json_ struct json *array = json_new_array();
	struct volume_list list = {
		.home = &home, .options = values, .table = table, .array = array
	};

	if (volume_walk(&home, list.options->unused, volume_list_each, &list, err) < 0)
		return err->code;
	if (list.options->json) {
		_cleanup_free_ char *text = json_text(array, 1);

		fputs(text, stdout);
	} else if (!list.options->quiet) {
		table_print(table, !list.options->no_header);
	}
	return 0;
}

static int volume_inspect(const struct cli_context *cli, const void *values _unused_, char **args,
			  struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_json_ struct json *array = json_new_array();
	_cleanup_free_ char *text = NULL;

	strv_for_each(name, args) {
		_cleanup_volume_ struct volume volume = { 0 };
		_cleanup_strv_ char **users = NULL;
		int r = volume_get(&home, *name, &volume, err);

		if (r == 0)
			r = volume_users(&home, *name, &users, err);
		if (r < 0)
			return r;
		json_array_add(array, volume_to_json(&home, &volume, users));
	}
	text = json_text(array, 1);
	fputs(text, stdout);
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

static int volume_prune_each(const struct volume *volume, char *const *users _unused_, void *ctx,
			     struct err *err)
{
	const struct instance_home *home = ctx;
	int r = volume_remove(home, volume->name, err);

	if (r == 0)
		puts(volume->name);
	/* taken into use, or removed by somebody else, meanwhile */
	return r == -EBUSY || r == -ENOENT ? 0 : r;
}

static int volume_prune(const struct cli_context *cli, const void *values, char **args _unused_,
			struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct volume_prune_options *options = values;

	if (!options->force)
		return err_set(err, -EPERM,
			       "this removes every volume in 'brig volume ls --unused', with all "
			       "that is in it; add --force");
	return volume_walk(&home, 1, volume_prune_each, (void *)(uintptr_t)&home, err);
}

static const struct option volume_create_table[] = {
	{ "label", 'l', OPTION_STRV, "KEY=VALUE", "note this about it",
	  offsetof(struct volume_create_options, labels) },
	OPTION_END,
};

static const struct option volume_ls_table[] = {
	{ "json", 0, OPTION_FLAG, NULL, "print JSON", offsetof(struct volume_ls_options, json) },
	{ "quiet", 'q', OPTION_FLAG, NULL, "print names only",
	  offsetof(struct volume_ls_options, quiet) },
	{ "no-header", 0, OPTION_FLAG, NULL, "leave out the headings",
	  offsetof(struct volume_ls_options, no_header) },
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
			"and 'create' make those they name, too.",
		.examples = (const char *const[]){ "brig volume create db", "make it",
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
		.description = "Lists the volumes, and the instances that use each.",
		.options = volume_ls_table,
		.values_size = sizeof(struct volume_ls_options),
		.run = volume_ls,
	},
	{
		.noun = "volume",
		.name = "inspect",
		.group = "Volumes",
		.args = "NAME...",
		.summary = "Print all that is known of volumes, as JSON",
		.description = "Prints an array with one object for each volume; 'path' is where "
			       "its files are on the host.",
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
