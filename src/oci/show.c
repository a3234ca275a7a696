// SPDX-License-Identifier: GPL-2.0-or-later
/* What is shown of containers: state, list. */
#include "oci/show.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/table.h"
#include "container/hooks.h"
#include "oci/container.h"
#include "oci/verb.h"

#include <pwd.h>
#include <string.h>

/* As /etc/passwd has the name: nothing else can be asked by a static program. */
static char *show_owner(uint64_t uid)
{
	_cleanup_fclose_ FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry;

	while (file && (entry = fgetpwent(file))) {
		if (entry->pw_uid == uid)
			return mem_strdup(entry->pw_name);
	}
	return mem_printf("%llu", (unsigned long long)uid);
}

static int show_add_annotation(const char *key, struct json *value, void *annotations)
{
	if (json_string(value))
		json_object_add(annotations, key, json_new_string(json_string(value)));
	return 0;
}

/* A configuration that cannot be read has none to show; the container is there all the same. */
static struct json *show_annotations(const struct store_container *container)
{
	struct json *annotations = json_new_object();
	_cleanup_json_ struct json *config = NULL;
	struct err err = ERR_INIT;

	if (store_read_config(container, &config, &err) < 0)
		log_debug("%s", err.msg);
	else
		(void)json_object_each(json_get(config, "annotations"), show_add_annotation,
				       annotations);
	return annotations;
}

static void show_add_string(struct json *object, const char *key, const char *value)
{
	json_object_add(object, key, json_new_string(value ? value : ""));
}

struct json *show_state(const struct store_container *container, enum store_status status)
{
	_cleanup_free_ char *owner = show_owner(container->owner);
	struct hooks_state shown = { .version = container->oci_version,
				     .id = container->id,
				     .status = store_status_names[status],
				     .bundle = container->bundle,
				     .pid = status == STORE_STOPPED ? 0 : (pid_t)container->pid };
	struct json *state = hooks_state(&shown, show_annotations(container));

	show_add_string(state, "rootfs", container->rootfs);
	show_add_string(state, "created", container->created);
	show_add_string(state, "owner", owner);
	return state;
}

static void show_print(const struct json *json, int pretty)
{
	_cleanup_free_ char *text = json_text(json, pretty);

	printf("%s%s", text, pretty ? "" : "\n");
}

static int show_run_state(const struct oci_context *oci, const void *values _unused_, char **args,
			  struct err *err)
{
	_cleanup_container_ struct container container = CONTAINER_INIT;
	_cleanup_json_ struct json *state = NULL;
	int r = container_open(oci, args[0], 0, &container, err);

	if (r < 0)
		return r;
	state = show_state(&container.store, container.status);
	show_print(state, 1);
	return 0;
}

struct show_list_values {
	int format, quiet;
};

static const char *const show_formats[] = { "table", "json", NULL };

static void show_add_row(struct table *table, const struct json *state)
{
	_cleanup_free_ char *pid = mem_printf("%lld", (long long)json_get_int(state, "pid", 0));
	_cleanup_strv_ char **cells = NULL;

	strv_add(&cells, json_get_string(state, "id", ""));
	strv_add(&cells, pid);
	strv_add(&cells, json_get_string(state, "status", ""));
	strv_add(&cells, json_get_string(state, "bundle", ""));
	strv_add(&cells, json_get_string(state, "created", ""));
	strv_add(&cells, json_get_string(state, "owner", ""));
	table_add(table, cells);
}

static void show_print_table(const struct json *states)
{
	static const char *const headings[] = { "ID",	   "PID",   "STATUS", "BUNDLE",
						"CREATED", "OWNER", NULL };
	_cleanup_table_ struct table *table = table_new(headings);

	for (size_t i = 0; i < json_array_len(states); i++)
		show_add_row(table, json_array_at(states, i));
	table_print(table, 1);
}

/* What goes away meanwhile is left out; what cannot be read is told of, and left out. */
static void show_add_container(struct json *states, const struct oci_context *oci, const char *id)
{
	_cleanup_container_ struct container container = CONTAINER_INIT;
	struct err err = ERR_INIT;
	int r = container_open(oci, id, 0, &container, &err);

	if (r < 0 && r != -ENOENT)
		log_notice("%s", err.msg);
	if (r == 0)
		json_array_add(states, show_state(&container.store, container.status));
}

static int show_run_list(const struct oci_context *oci, const void *values, char **args _unused_,
			 struct err *err)
{
	_cleanup_json_ struct json *states = json_new_array();
	const struct show_list_values *v = values;
	_cleanup_strv_ char **ids = NULL;
	int r = store_list(oci->root, &ids, err);

	if (r < 0)
		return r;
	strv_for_each(id, ids) {
		if (v->quiet)
			printf("%s\n", *id);
		else
			show_add_container(states, oci, *id);
	}
	if (!v->quiet && v->format == 1)
		show_print(states, 0);
	else if (!v->quiet)
		show_print_table(states);
	return 0;
}

static const struct option show_list_options[] = {
	{ "format", 'f', OPTION_CHOICE, "FORMAT", "of the list: table or json",
	  offsetof(struct show_list_values, format), .choices = show_formats },
	{ "quiet", 'q', OPTION_FLAG, NULL, "show IDs alone",
	  offsetof(struct show_list_values, quiet) },
	OPTION_END,
};

const struct verb oci_show_verbs[] = {
	{ .name = "state",
	  .group = "Containers",
	  .args = "ID",
	  .summary = "Show the state of a container, as JSON",
	  .description = "Its status is creating, created, running, paused or stopped; the pid of "
			 "a stopped container is 0.",
	  .min_args = 1,
	  .max_args = 1,
	  .complete = "container",
	  .run_oci = show_run_state },
	{ .name = "list",
	  .group = "Containers",
	  .args = "",
	  .summary = "List the containers of this root",
	  .options = show_list_options,
	  .values_size = sizeof(struct show_list_values),
	  .run_oci = show_run_list },
	{ .name = NULL },
};
