// SPDX-License-Identifier: GPL-2.0-or-later
/* brig ps. Instances are read and filtered first; figures are asked for only if a column or the JSON shows them. */
#include "base/log.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/home.h"
#include "base/table.h"
#include "instance/space.h"
#include "instance/stats.h"

#include <string.h>

struct ps_values {
	int all, quiet, no_header, json, size;
	char **filters;
};

struct ps_row {
	struct instance_view view;
	struct instance_stats stats;
	struct space_written space; /* with --size */
};

struct ps_list {
	const struct instance_home *home;
	const struct ps_values *values;
	struct ps_row *rows;
	size_t n, size;
};

static void ps_list_release(struct ps_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		instance_view_release(&list->rows[i].view);
	free(list->rows);
}

/* docker's word for what is stopped here */
static const char *ps_state_of(const char *word)
{
	return strcmp(word, "exited") ? word : "stopped";
}

static int ps_has_label(const struct instance *record, const char *wanted)
{
	size_t len = strcspn(wanted, "=");

	strv_for_each(label, record->labels) {
		if (wanted[len] ? !strcmp(*label, wanted)
				: !strncmp(*label, wanted, len) && (*label)[len] == '=')
			return 1;
	}
	return 0;
}

/* "debian" is every tag of it */
static int ps_is_image(const char *image, const char *wanted)
{
	size_t len = strlen(wanted);

	return image && !strncmp(image, wanted, len) && (!image[len] || image[len] == ':');
}

static int ps_matches_name(const struct instance_view *view, const char *value)
{
	return strstr(view->record.name, value) != NULL;
}

static int ps_matches_kind(const struct instance_view *view, const char *value)
{
	return !strcmp(instance_kind_names[view->record.kind], value);
}

static int ps_matches_image(const struct instance_view *view, const char *value)
{
	return ps_is_image(view->record.image, value);
}

static int ps_matches_state(const struct instance_view *view, const char *value)
{
	return !strcmp(instance_state_names[view->state], ps_state_of(value));
}

static int ps_matches_label(const struct instance_view *view, const char *value)
{
	return ps_has_label(&view->record, value);
}

struct ps_filter {
	const char *key;
	int (*matches)(const struct instance_view *view, const char *value);
	const char *const *values; /* those there are; NULL: any */
};

static const struct ps_filter ps_filters[] = {
	{ "name", ps_matches_name, NULL },
	{ "kind", ps_matches_kind, instance_kind_names },
	{ "image", ps_matches_image, NULL },
	{ "state", ps_matches_state, instance_state_names },
	{ "status", ps_matches_state, instance_state_names },
	{ "label", ps_matches_label, NULL },
};

static const struct ps_filter *ps_filter_of(const char *text)
{
	size_t len = strcspn(text, "=");

	for (size_t i = 0; text[len] && i < ARRAY_SIZE(ps_filters); i++) {
		if (strlen(ps_filters[i].key) == len && !strncmp(ps_filters[i].key, text, len))
			return &ps_filters[i];
	}
	return NULL;
}

static int ps_check_filter(const char *text, struct err *err)
{
	const struct ps_filter *filter = ps_filter_of(text);
	const char *value = strchr(text, '=');

	if (!filter)
		return err_set(
			err, -EINVAL,
			"option --filter: '%.64s': say KEY=VALUE with name, kind, image, state or "
			"label",
			text);
	for (const char *const *v = filter->values; v; v++) {
		if (!*v)
			return err_set(err, -EINVAL, "option --filter: there is no %s '%.64s'",
				       filter->key, value + 1);
		if (!strcmp(*v, ps_state_of(value + 1)))
			break;
	}
	return 0;
}

/* Filters of one key are alternatives, those of different keys all have to match. */
static int ps_passes(const struct instance_view *view, char *const *filters)
{
	strv_for_each(text, filters) {
		const struct ps_filter *filter = ps_filter_of(*text);
		int matches = 0;

		strv_for_each(other, filters) {
			if (ps_filter_of(*other)->matches == filter->matches)
				matches |= filter->matches(view, strchr(*other, '=') + 1);
		}
		if (!matches)
			return 0;
	}
	return 1;
}

/* Without -a those that run, unless a state is asked for. */
static int ps_shows_state(const struct instance_view *view, const struct ps_values *values)
{
	if (values->all || view->state == INSTANCE_RUNNING || view->state == INSTANCE_PAUSED)
		return 1;
	strv_for_each(text, values->filters) {
		if (ps_filter_of(*text)->matches == ps_matches_state)
			return 1;
	}
	return 0;
}

static int ps_collect(struct instance_view *view, void *ctx)
{
	struct ps_list *list = ctx;

	if (!ps_shows_state(view, list->values) || !ps_passes(view, list->values->filters))
		return 0;
	if (list->n == list->size) {
		list->size = list->size ? list->size * 2 : 64;
		list->rows = mem_realloc(list->rows, list->size, sizeof(*list->rows));
	}
	list->rows[list->n++] = (struct ps_row){
		.view = *view,
	};
	memset(view, 0, sizeof(*view)); /* it is the list's now */
	return 0;
}

static void ps_ask_all(struct ps_list *list)
{
	_cleanup_free_ struct stats_item *items = mem_zalloc((list->n + 1) * sizeof(*items));

	for (size_t i = 0; i < list->n; i++)
		items[i].view = &list->rows[i].view;
	stats_read(list->home, STATS_GUESTS, items, list->n);
	for (size_t i = 0; i < list->n; i++)
		list->rows[i].stats = items[i].stats;
}

static int64_t ps_age(const struct ps_row *row)
{
	return units_now() - row->view.run.started;
}

static void ps_put_name(const void *item, struct buf *out)
{
	const struct ps_row *row = item;

	buf_add_str(out, row->view.record.name);
}

static void ps_put_kind(const void *item, struct buf *out)
{
	const struct ps_row *row = item;

	buf_add_str(out, instance_kind_names[row->view.record.kind]);
}

static void ps_put_image(const void *item, struct buf *out)
{
	const struct ps_row *row = item;

	buf_add_str(out, row->view.record.image ? row->view.record.image : "?");
}

static void ps_put_state(const void *item, struct buf *out)
{
	const struct ps_row *row = item;

	buf_printf(out, "%s%s", instance_state_names[row->view.state],
		   row->view.record.pending ? "*" : "");
}

static void ps_put_up(const void *item, struct buf *out)
{
	const struct ps_row *row = item;
	char text[UNITS_TEXT_MAX];

	if (row->view.alive && row->view.run.started)
		buf_add_str(out, units_format_age(ps_age(row), text));
}

static void ps_put_cpu(const void *item, struct buf *out)
{
	const struct ps_row *row = item;
	int64_t age = ps_age(row);

	if (row->view.alive && row->view.run.started && row->stats.group.cpu_ns >= 0 && age > 0)
		buf_printf(out, "%.1f%%", (double)row->stats.group.cpu_ns * 100.0 / (double)age);
}

static void ps_put_memory(const void *item, struct buf *out)
{
	const struct ps_row *row = item;
	const struct instance_stats *stats = &row->stats;
	char guest[UNITS_TEXT_MAX], host[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];

	buf_printf(out, "%s/%s/%s", units_format_size(stats->memory_guest, guest),
		   units_format_size(stats->memory_host, host),
		   units_format_size(stats->memory_limit ? stats->memory_limit : -1, limit));
}

static void ps_put_address(const void *item, struct buf *out)
{
	const struct ps_row *row = item;
	_cleanup_free_ char *all = strv_join(row->view.run.addresses, ",");

	buf_add_str(out, all);
}

/* "8080:80/tcp" is 8080->80/tcp to docker's users. */
static void ps_put_ports(const void *item, struct buf *out)
{
	const struct ps_row *row = item;
	char *const *ports = row->view.alive ? row->view.record.ports : NULL;

	strv_for_each(port, ports) {
		const char *colon = strrchr(*port, ':');
		int len = colon ? (int)(colon - *port) : 0;

		buf_printf(out, "%s%.*s%s%s", port == ports ? "" : ",", len, *port,
			   colon ? "->" : "", colon ? colon + 1 : *port);
	}
}

/* As docker has it, with the limit where there is one. */
static void ps_put_size(const void *item, struct buf *out)
{
	const struct ps_row *row = item;
	const struct space_written *space = &row->space;
	char text[UNITS_TEXT_MAX];

	buf_add_str(out, units_format_size(space->written, text));
	if (space->limit)
		buf_printf(out, "/%s", units_format_size(space->limit, text));
	buf_printf(out, " (virtual %s)", units_format_size(space->all, text));
}

static const struct table_column ps_columns[] = {
	{ "NAME", ps_put_name },   { "KIND", ps_put_kind },	  { "IMAGE", ps_put_image },
	{ "STATE", ps_put_state }, { "UP", ps_put_up },		  { "CPU", ps_put_cpu },
	{ "MEM", ps_put_memory },  { "ADDRESS", ps_put_address }, { "PORTS", ps_put_ports },
	{ "SIZE", ps_put_size }, /* the last: with --size alone */
};

#define PS_COLUMNS ARRAY_SIZE(ps_columns)

static void ps_print_table(const struct ps_list *list)
{
	size_t columns = PS_COLUMNS - (list->values->size ? 0 : 1);
	_cleanup_table_ struct table *table =
		table_new_of(ps_columns, columns, list->rows, list->n, sizeof(*list->rows));

	table_print(table, !list->values->no_header);
}

static struct json *ps_json_size(int64_t bytes)
{
	return bytes < 0 ? json_new_null() : json_new_int(bytes);
}

static struct json *ps_json_time(int64_t ns)
{
	char text[UNITS_TEXT_MAX];

	return ns ? json_new_string(units_format_time(ns, text)) : json_new_null();
}

static struct json *ps_json_memory(const struct instance_stats *stats)
{
	struct json *memory = json_new_object();

	json_object_add(memory, "limit",
			ps_json_size(stats->memory_limit ? stats->memory_limit : -1));
	json_object_add(memory, "host", ps_json_size(stats->memory_host));
	json_object_add(memory, "guest", ps_json_size(stats->memory_guest));
	return memory;
}

static struct json *ps_json_space(const struct space_written *space)
{
	struct json *size = json_new_object();

	json_object_add(size, "written", json_new_int(space->written));
	json_object_add(size, "all", json_new_int(space->all));
	json_object_add(size, "limit", ps_json_size(space->limit ? space->limit : -1));
	return size;
}

/* The engine that runs it, or the one that surely will. */
static const char *ps_engine(const struct instance_view *view)
{
	if (view->alive)
		return view->run.engine;
	if (view->record.kind == INSTANCE_CONTAINER)
		return "container";
	return view->record.engine == INSTANCE_ENGINE_AUTO
		       ? NULL
		       : instance_engine_names[view->record.engine];
}

/* Scripts count on these keys; docs/formats.md has them. */
static struct json *ps_json_row(const struct ps_row *row, int with_size)
{
	const struct instance_view *view = &row->view;
	const struct instance *record = &view->record;
	int ended = !view->alive && record->has_run && record->exit_code >= 0;
	struct json *json = json_new_object();

	json_object_add(json, "name", json_new_string(record->name));
	json_object_add(json, "kind", json_new_string(instance_kind_names[record->kind]));
	json_object_add(json, "image", json_new_string(record->image));
	json_object_add(json, "state", json_new_string(instance_state_names[view->state]));
	json_object_add(json, "pid", view->run.pid ? json_new_int(view->run.pid) : json_new_null());
	json_object_add(json, "created", ps_json_time(record->created));
	json_object_add(json, "started",
			ps_json_time(view->alive ? view->run.started : record->started));
	json_object_add(json, "exit_code",
			ended ? json_new_int(record->exit_code) : json_new_null());
	json_object_add(json, "engine", json_new_string(ps_engine(view)));
	json_object_add(json, "memory", ps_json_memory(&row->stats));
	json_object_add(json, "cpu_seconds",
			row->stats.group.cpu_ns < 0
				? json_new_null()
				: json_new_double((double)row->stats.group.cpu_ns / 1e9));
	json_object_add(json, "addresses", json_new_strv(view->run.addresses));
	json_object_add(json, "ports", json_new_strv(view->alive ? record->ports : NULL));
	json_object_add(json, "size", with_size ? ps_json_space(&row->space) : json_new_null());
	return json;
}

static void ps_print_json(const struct ps_list *list)
{
	_cleanup_json_ struct json *all = json_new_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_add(all, ps_json_row(&list->rows[i], list->values->size));
	json_print(all);
}

/* A record that cannot be read is listed, and told about. */
static void ps_report_unreadable(const struct ps_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct instance *record = &list->rows[i].view.record;

		if (!record->image && record->error)
			log_error("%s", record->error);
	}
}

static int ps_run(const struct cli_context *cli, const void *values, char **args _unused_,
		  struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_(ps_list_release) struct ps_list list = { .home = &home, .values = values };
	const struct ps_values *v = values;
	int r = 0;

	strv_for_each(filter, v->filters) {
		r = ps_check_filter(*filter, err);
		if (r < 0)
			return r;
	}
	r = instance_each(&home, ps_collect, &list, err);
	if (r < 0)
		return r;
	if (!v->quiet)
		ps_ask_all(&list);
	for (size_t i = 0; v->size && i < list.n; i++)
		space_written(&home, &list.rows[i].view.record, &list.rows[i].space);
	if (v->json)
		ps_print_json(&list);
	else if (!v->quiet)
		ps_print_table(&list);
	for (size_t i = 0; v->quiet && !v->json && i < list.n; i++)
		puts(list.rows[i].view.record.name);
	ps_report_unreadable(&list);
	return 0;
}

static const struct option ps_options[] = {
	{ "all", 'a', OPTION_FLAG, NULL, "show those too that do not run",
	  offsetof(struct ps_values, all) },
	{ "quiet", 'q', OPTION_FLAG, NULL, "print only names", offsetof(struct ps_values, quiet) },
	{ "filter", 'f', OPTION_STRV, "KEY=VALUE",
	  "show those with this name (a part of it), kind, image, state or label",
	  offsetof(struct ps_values, filters) },
	{ "no-header", 0, OPTION_FLAG, NULL, "leave the headings out",
	  offsetof(struct ps_values, no_header) },
	{ "json", 0, OPTION_FLAG, NULL, "print JSON", offsetof(struct ps_values, json) },
	{ "size", 's', OPTION_FLAG, NULL, "show what each takes on the disk, which takes its time",
	  offsetof(struct ps_values, size) },
	OPTION_END,
};

static const char *const ps_examples[] = {
	"brig ps -a --filter kind=vm",
	"all virtual machines",
	"brig ps -a -q --filter state=stopped",
	"the names of those that have ended",
	NULL,
};

const struct verb cli_ps_verbs[] = {
	{ .name = "ps",
	  .alias = "ls list",
	  .group = "Look",
	  .args = "",
	  .summary = "List instances",
	  .description = "Lists the instances that run, with -a all. CPU is CPU time over time "
			 "since the start. MEM is "
			 "what the workload uses, what the host spends on it, and its limit. "
			 "SIZE, with -s, is what it has written, what it may (--disk-size), and in "
			 "brackets with its image. "
			 "Several filters with one "
			 "key are alternatives; with different keys all have to match.",
	  .examples = ps_examples,
	  .options = ps_options,
	  .values_size = sizeof(struct ps_values),
	  .run = ps_run },
	{ .name = NULL },
};
