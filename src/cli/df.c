// SPDX-License-Identifier: GPL-2.0-or-later
/* What brig's files take on the disk, and giving back what nobody uses. */
#include "base/mem.h"
#include "base/units.h"
#include "cli/home.h"
#include "cli/listing.h"
#include "instance/space.h"

#include <stdio.h>
#include <string.h>

struct df_options {
	int json, verbose, no_header;
};

/* A size in the JSON's bytes, or as people read it. */
static char *df_size(int64_t size)
{
	char text[UNITS_TEXT_MAX];

	return mem_strdup(units_format_size(size, text));
}

static struct json *df_item_json(const struct space_item *item)
{
	struct json *object = json_new_object();

	json_object_add(object, "name", json_new_string(item->name));
	json_object_add(object, "size", json_new_int(item->size));
	json_object_add(object, "own", json_new_int(item->own));
	json_object_add(object, "limit", item->limit ? json_new_int(item->limit) : json_new_null());
	json_object_add(object, "used_by", json_new_strv(item->users));
	return object;
}

static void df_print_json(const struct space *space)
{
	_cleanup_json_ struct json *object = json_new_object();

	for (int kind = 0; kind < SPACE_KINDS; kind++) {
		const struct space_group *group = &space->groups[kind];
		struct json *row = json_new_object(), *items = json_new_array();

		json_object_add(row, "count", json_new_int((int64_t)group->n));
		json_object_add(row, "used", json_new_int((int64_t)group->n_used));
		json_object_add(row, "size", json_new_int(group->size));
		json_object_add(row, "free", json_new_int(group->free));
		for (size_t i = 0; i < group->n; i++)
			json_array_add(items, df_item_json(&group->items[i]));
		json_object_add(row, "items", items);
		json_object_add(object, space_kind_names[kind], row);
	}
	json_print(object);
}

static void df_print_groups(const struct space *space, int with_header)
{
	static const char *const headings[] = { "TYPE", "COUNT",	  "IN USE",
						"SIZE", "FREED BY PRUNE", NULL };
	_cleanup_table_ struct table *table = table_new(headings);

	for (int kind = 0; kind < SPACE_KINDS; kind++) {
		const struct space_group *group = &space->groups[kind];
		_cleanup_free_ char *size = df_size(group->size), *freed = df_size(group->free);
		_cleanup_free_ char *count = mem_printf("%zu", group->n);
		_cleanup_free_ char *used = mem_printf("%zu", group->n_used);
		int is_listed = kind != SPACE_CACHE;
		char *cells[] = { (char *)(uintptr_t)space_kind_names[kind],
				  is_listed ? count : NULL,
				  is_listed && kind != SPACE_KERNELS ? used : NULL, size, freed };

		table_add(table, cells);
	}
	table_print(table, with_header);
}

static void df_print_items(const struct space *space, int with_header)
{
	static const char *const headings[] = { "TYPE",	 "NAME",    "SIZE", "OWN",
						"LIMIT", "USED BY", NULL };
	_cleanup_table_ struct table *table = table_new(headings);

	for (int kind = 0; kind < SPACE_KINDS; kind++) {
		for (size_t i = 0; i < space->groups[kind].n; i++) {
			const struct space_item *item = &space->groups[kind].items[i];
			_cleanup_free_ char *size = df_size(item->size), *own = df_size(item->own);
			_cleanup_free_ char *limit = item->limit ? df_size(item->limit) : NULL;
			_cleanup_free_ char *users =
				item->users ? strv_join(item->users, ", ") : NULL;
			char *cells[] = { (char *)(uintptr_t)space_kind_names[kind],
					  item->name,
					  size,
					  own,
					  limit,
					  users };

			table_add(table, cells);
		}
	}
	table_print(table, with_header);
}

static int df_show(const struct cli_context *cli, const void *values, char **args _unused_,
		   struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct df_options *options = values;
	_cleanup_space_ struct space space = { 0 };
	int r = space_measure(&home, &space, err);

	if (r < 0)
		return r;
	if (options->json)
		df_print_json(&space);
	else if (options->verbose)
		df_print_items(&space, !options->no_header);
	else
		df_print_groups(&space, !options->no_header);
	return 0;
}

struct df_prune_options {
	int kinds[SPACE_KINDS];
	int all, force;
};

static void df_say_gone(const char *name)
{
	puts(name);
}

/* What would go, for who has not said --force. */
static int df_refuse(const struct space *space, const int *kinds, struct err *err)
{
	_cleanup_strv_ char **words = NULL;
	_cleanup_free_ char *list = NULL;

	for (int kind = 0; kind < SPACE_KINDS; kind++) {
		const struct space_group *group = &space->groups[kind];
		_cleanup_free_ char *size = df_size(group->free);
		size_t n = group->n - group->n_used;

		if (kinds[kind] && kind == SPACE_CACHE)
			strv_add_printf(&words, "the cache (%s)", size);
		else if (kinds[kind] && n)
			strv_add_printf(&words, "%zu of the %s (%s)", n, space_kind_names[kind],
					size);
	}
	list = strv_join(words, ", ");
	return err_set(err, -EPERM, "this removes %s: see 'brig df -v', and add --force", list);
}

static int df_prune(const struct cli_context *cli, const void *values, char **args _unused_,
		    struct err *err)
{
	/* an instance that goes gives its image and volumes free, so it goes first */
	static const enum space_kind order[] = { SPACE_INSTANCES, SPACE_IMAGES, SPACE_VOLUMES,
						 SPACE_CACHE };
	const struct instance_home home = home_of(cli);
	const struct df_prune_options *options = values;
	_cleanup_space_ struct space space = { 0 };
	int kinds[SPACE_KINDS] = { 0 }, r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		kinds[order[i]] =
			options->all || options->kinds[order[i]] || order[i] == SPACE_CACHE;
	if (!options->force) {
		r = space_measure(&home, &space, err);
		return r < 0 ? r : df_refuse(&space, kinds, err);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(order); i++)
		r = kinds[order[i]] ? space_prune(&home, order[i], df_say_gone, err) : 0;
	return r;
}

static const struct option df_table[] = {
	{ "json", 0, OPTION_FLAG, NULL, "print JSON, in bytes", offsetof(struct df_options, json) },
	{ "verbose", 'v', OPTION_FLAG, NULL, "one line for each thing",
	  offsetof(struct df_options, verbose) },
	{ "no-header", 0, OPTION_FLAG, NULL, "leave out the headings",
	  offsetof(struct df_options, no_header) },
	OPTION_END,
};

#define DF_KIND(kind_) (offsetof(struct df_prune_options, kinds) + (kind_) * sizeof(int))

static const struct option df_prune_table[] = {
	{ "all", 'a', OPTION_FLAG, NULL, "all of the following",
	  offsetof(struct df_prune_options, all) },
	{ "instances", 0, OPTION_FLAG, NULL, "instances that are stopped",
	  DF_KIND(SPACE_INSTANCES) },
	{ "images", 0, OPTION_FLAG, NULL, "images that no instance uses", DF_KIND(SPACE_IMAGES) },
	{ "volumes", 0, OPTION_FLAG, NULL, "volumes that no instance uses",
	  DF_KIND(SPACE_VOLUMES) },
	{ "force", 'f', OPTION_FLAG, NULL, "do it", offsetof(struct df_prune_options, force) },
	OPTION_END,
};

static const char *const df_examples[] = {
	"brig df",    "what images, instances, volumes and kernels take",
	"brig df -v", "each of them, with what is its own and who uses it",
	NULL,
};

static const char *const df_prune_examples[] = {
	"brig prune --images -f",
	"remove the images that no instance uses",
	"brig prune -a",
	"say what would go with everything that nobody uses",
	NULL,
};

#define DF_GROUP "Disk space"

#define DF_DESCRIPTION                                                                             \
	"Sizes are what files take on the disk: of a VM's disk what has been written, of a layer " \
	"that several images have once. SIZE of an image is all that it needs, OWN what would go " \
	"with it alone, LIMIT what an instance may write (--disk-size). FREED BY PRUNE is what "   \
	"'brig prune' would give back: for instances, that "                                       \
	"of those that are stopped."

#define DF_PRUNE_DESCRIPTION                                                                       \
	"Removes what nobody uses, of the kinds that are named, with all that is in it; and the "  \
	"cache, which is made anew when it is wanted. Without --force it removes nothing, and "    \
	"says how much would go. An instance that goes takes its snapshots along, and gives free " \
	"its image and its volumes. Kernels stay: 'brig kernel rm'."

const struct verb cli_df_verbs[] = {
	{ .name = "df",
	  .group = DF_GROUP,
	  .summary = "Show what takes how much of the disk",
	  .description = DF_DESCRIPTION,
	  .examples = df_examples,
	  .options = df_table,
	  .max_args = 0,
	  .values_size = sizeof(struct df_options),
	  .run = df_show },
	{ .name = "prune",
	  .group = DF_GROUP,
	  .summary = "Remove what nobody uses",
	  .description = DF_PRUNE_DESCRIPTION,
	  .examples = df_prune_examples,
	  .options = df_prune_table,
	  .max_args = 0,
	  .values_size = sizeof(struct df_prune_options),
	  .run = df_prune },
	{ .name = NULL },
};
