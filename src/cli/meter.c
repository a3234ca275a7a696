// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/meter.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/units.h"

#include <string.h>

static void meter_add(struct meter *meter, struct instance_view *view)
{
	if (meter->n == meter->size) {
		meter->size = meter->size ? meter->size * 2 : 64;
		meter->rows = mem_realloc(meter->rows, meter->size, sizeof(*meter->rows));
	}
	meter->rows[meter->n++] = (struct meter_row){ .view = *view, .cpu = -1 };
	memset(view, 0, sizeof(*view)); /* it is the row's now */
}

static int meter_collect(struct instance_view *view, void *ctx)
{
	struct meter *meter = ctx;

	if (meter->all || view->alive)
		meter_add(meter, view);
	return 0;
}

static int meter_collect_named(struct meter *meter, int first, struct err *err)
{
	strv_for_each(name, meter->names) {
		_cleanup_instance_view_ struct instance_view view = { 0 };
		struct err gone = ERR_INIT;

		if (instance_view(meter->home, *name, &view, &gone) == 0) {
			meter_add(meter, &view);
		} else if (first) {
			*err = gone;
			return err->code;
		}
	}
	return 0;
}

static double meter_percent(int64_t used_ns, int64_t over_ns)
{
	return used_ns >= 0 && over_ns > 0 ? (double)used_ns * 100.0 / (double)over_ns : -1;
}

static void meter_rate(struct meter_row *row, const struct meter_row *before, enum meter_cpu cpu)
{
	int64_t used = row->stats.group.cpu_ns;

	if (used < 0 || !row->view.alive)
		return;
	if (cpu == METER_CPU_SINCE_START)
		row->cpu = meter_percent(used, units_now() - row->view.run.started);
	else if (before && before->stats.group.cpu_ns >= 0 &&
		 before->view.run.started == row->view.run.started)
		row->cpu = meter_percent(used - before->stats.group.cpu_ns,
					 row->stats.taken - before->stats.taken);
}

static void meter_ask(struct meter *meter)
{
	_cleanup_free_ struct stats_item *items = mem_zalloc((meter->n + 1) * sizeof(*items));

	for (size_t i = 0; i < meter->n; i++)
		items[i].view = &meter->rows[i].view;
	stats_read(meter->home, STATS_GUESTS | STATS_NETWORKS, items, meter->n);
	for (size_t i = 0; i < meter->n; i++)
		meter->rows[i].stats = items[i].stats;
}

/* Whose run it was at the last reading. Those are by name. */
static const struct meter_row *meter_find(const struct meter *meter, const char *name)
{
	size_t from = 0, to = meter->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order = strcmp(meter->rows[middle].view.record.name, name);

		if (order == 0)
			return &meter->rows[middle];
		if (order < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

int meter_read(struct meter *meter, enum meter_cpu cpu, struct err *err)
{
	_cleanup_meter_ struct meter before = *meter;
	int r;

	meter->rows = NULL;
	meter->n = meter->size = 0;
	r = meter->names ? meter_collect_named(meter, !before.rows, err)
			 : instance_each(meter->home, meter_collect, meter, err);
	if (r < 0)
		return r;
	meter_ask(meter);
	(void)meter_sort(&before, METER_BY_NAME);
	for (size_t i = 0; i < meter->n; i++)
		meter_rate(&meter->rows[i], meter_find(&before, meter->rows[i].view.record.name),
			   cpu);
	return 0;
}

void meter_release(struct meter *meter)
{
	for (size_t i = 0; i < meter->n; i++)
		instance_view_release(&meter->rows[i].view);
	free(meter->rows);
	meter->rows = NULL;
	meter->n = meter->size = 0;
}

/* --- columns --- */

static void meter_put_size(struct buf *out, int64_t bytes)
{
	char text[UNITS_TEXT_MAX];

	buf_add_str(out, units_format_size(bytes, text));
}

static void meter_put_two(struct buf *out, int64_t in, int64_t to)
{
	if (in < 0 && to < 0)
		return;
	meter_put_size(out, in);
	buf_add_str(out, "/");
	meter_put_size(out, to);
}

static void meter_put_name(const void *item, struct buf *out)
{
	const struct meter_row *row = item;

	buf_add_str(out, row->view.record.name);
}

static void meter_put_kind(const void *item, struct buf *out)
{
	const struct meter_row *row = item;

	buf_add_str(out, instance_kind_names[row->view.record.kind]);
}

static void meter_put_cpu(const void *item, struct buf *out)
{
	const struct meter_row *row = item;

	if (row->cpu >= 0)
		buf_printf(out, "%.1f%%", row->cpu);
}

static void meter_put_guest(const void *item, struct buf *out)
{
	const struct meter_row *row = item;

	meter_put_size(out, row->stats.memory_guest);
}

static void meter_put_host(const void *item, struct buf *out)
{
	const struct meter_row *row = item;

	meter_put_size(out, row->stats.memory_host);
}

static void meter_put_limit(const void *item, struct buf *out)
{
	const struct meter_row *row = item;

	meter_put_size(out, row->stats.memory_limit ? row->stats.memory_limit : -1);
}

static void meter_put_pressure(const void *item, struct buf *out)
{
	const struct meter_row *row = item;
	const int64_t *pressure = row->stats.group.pressure;

	if (pressure[0] < 0 && pressure[1] < 0 && pressure[2] < 0)
		return;
	for (size_t i = 0; i < CGROUP_PRESSURES; i++) {
		buf_add_str(out, i ? "/" : "");
		if (pressure[i] < 0)
			buf_add_str(out, "-");
		else
			buf_printf(out, "%lld", (long long)(pressure[i] + 50) / 100);
	}
	buf_add_str(out, "%");
}

static void meter_put_block(const void *item, struct buf *out)
{
	const struct meter_row *row = item;

	meter_put_two(out, row->stats.group.read_bytes, row->stats.group.written_bytes);
}

static void meter_put_network(const void *item, struct buf *out)
{
	const struct meter_row *row = item;

	meter_put_two(out, row->stats.received, row->stats.sent);
}

static void meter_put_pids(const void *item, struct buf *out)
{
	const struct meter_row *row = item;

	if (row->stats.pids >= 0)
		buf_printf(out, "%lld", (long long)row->stats.pids);
}

static double meter_by_cpu(const struct meter_row *row)
{
	return row->cpu;
}

static double meter_by_memory(const struct meter_row *row)
{
	return (double)row->stats.memory_host;
}

static double meter_by_block(const struct meter_row *row)
{
	return (double)row->stats.group.read_bytes + (double)row->stats.group.written_bytes;
}

static double meter_by_network(const struct meter_row *row)
{
	return (double)row->stats.received + (double)row->stats.sent;
}

static double meter_by_pids(const struct meter_row *row)
{
	return (double)row->stats.pids;
}

static const struct table_column meter_columns[] = {
	{ "NAME", meter_put_name },	    { "KIND", meter_put_kind },
	{ "CPU", meter_put_cpu },	    { "MEM-GUEST", meter_put_guest },
	{ "MEM-HOST", meter_put_host },	    { "LIMIT", meter_put_limit },
	{ "PRESSURE", meter_put_pressure }, { "BLOCK-R/W", meter_put_block },
	{ "NET-RX/TX", meter_put_network }, { "PIDS", meter_put_pids },
};

/* By whom rows stand first, the highest; by: NULL, by name. */
static const struct meter_order {
	char key;
	const char *name;
	double (*by)(const struct meter_row *row);
} meter_orders[] = {
	{ METER_BY_NAME, "name", NULL },      { 'c', "CPU", meter_by_cpu },
	{ 'm', "memory", meter_by_memory },   { 'i', "block io", meter_by_block },
	{ 'n', "network", meter_by_network }, { 'p', "processes", meter_by_pids },
};

const char meter_keys[] = "c CPU, m memory, i block io, n network, p processes, a name, q quit";

static const struct meter_order *meter_order_of(char key)
{
	for (size_t i = 0; i < ARRAY_SIZE(meter_orders); i++) {
		if (meter_orders[i].key == key)
			return &meter_orders[i];
	}
	return NULL;
}

const char *meter_key_name(char key)
{
	const struct meter_order *order = meter_order_of(key);

	return order ? order->name : NULL;
}

static int meter_compare(const void *a, const void *b, void *ctx)
{
	const struct meter_order *order = ctx;
	const struct meter_row *one = a, *other = b;
	double x = order->by ? order->by(one) : 0, y = order->by ? order->by(other) : 0;

	if (x != y)
		return x > y ? -1 : 1;
	return strcmp(one->view.record.name, other->view.record.name);
}

int meter_sort(struct meter *meter, char key)
{
	const struct meter_order *order = meter_order_of(key);

	if (order && meter->n)
		qsort_r(meter->rows, meter->n, sizeof(*meter->rows), meter_compare, (void *)order);
	return order != NULL;
}

void meter_turn(struct meter *meter)
{
	for (size_t i = 0, j = meter->n; i + 1 < j; i++) {
		struct meter_row row = meter->rows[i];

		meter->rows[i] = meter->rows[--j];
		meter->rows[j] = row;
	}
}

void meter_format(const struct meter *meter, int with_header, struct buf *out)
{
	_cleanup_table_ struct table *table =
		table_new_of(meter_columns, ARRAY_SIZE(meter_columns), meter->rows, meter->n,
			     sizeof(*meter->rows));

	table_format(table, with_header, out);
}

/* --- JSON --- */

static struct json *meter_json_int(int64_t value)
{
	return value < 0 ? json_new_null() : json_new_int(value);
}

static struct json *meter_json_parts(int64_t value, double parts)
{
	return value < 0 ? json_new_null() : json_new_double((double)value / parts);
}

static struct json *meter_json_memory(const struct instance_stats *stats)
{
	struct json *memory = json_new_object();

	json_object_add(memory, "guest", meter_json_int(stats->memory_guest));
	json_object_add(memory, "host", meter_json_int(stats->memory_host));
	json_object_add(memory, "limit",
			meter_json_int(stats->memory_limit ? stats->memory_limit : -1));
	json_object_add(memory, "held", json_new_int(stats->memory_held));
	json_object_add(memory, "swap", meter_json_int(stats->group.swap));
	json_object_add(memory, "oom_kills", meter_json_int(stats->group.oom_kills));
	return memory;
}

static struct json *meter_json_cpu(const struct meter_row *row)
{
	const struct cgroup_stats *group = &row->stats.group;
	struct json *cpu = json_new_object();

	json_object_add(cpu, "percent", row->cpu < 0 ? json_new_null() : json_new_double(row->cpu));
	json_object_add(cpu, "seconds", meter_json_parts(group->cpu_ns, 1e9));
	json_object_add(cpu, "throttled_seconds", meter_json_parts(group->throttled_ns, 1e9));
	json_object_add(cpu, "throttled_periods", meter_json_int(group->throttled));
	return cpu;
}

static struct json *meter_json_pressure(const struct cgroup_stats *group)
{
	struct json *pressure = json_new_object();

	json_object_add(pressure, "cpu",
			meter_json_parts(group->pressure[CGROUP_PRESSURE_CPU], 100));
	json_object_add(pressure, "memory",
			meter_json_parts(group->pressure[CGROUP_PRESSURE_MEMORY], 100));
	json_object_add(pressure, "io", meter_json_parts(group->pressure[CGROUP_PRESSURE_IO], 100));
	return pressure;
}

static struct json *meter_json_two(const char *in, int64_t in_bytes, const char *to,
				   int64_t to_bytes)
{
	struct json *json = json_new_object();

	json_object_add(json, in, meter_json_int(in_bytes));
	json_object_add(json, to, meter_json_int(to_bytes));
	return json;
}

static struct json *meter_json_row(const struct meter_row *row)
{
	const struct instance_stats *stats = &row->stats;
	struct json *json = json_new_object();

	json_object_add(json, "name", json_new_string(row->view.record.name));
	json_object_add(json, "kind", json_new_string(instance_kind_names[row->view.record.kind]));
	json_object_add(json, "state", json_new_string(instance_state_names[row->view.state]));
	json_object_add(json, "cpu", meter_json_cpu(row));
	json_object_add(json, "memory", meter_json_memory(stats));
	json_object_add(json, "pressure", meter_json_pressure(&stats->group));
	json_object_add(json, "block",
			meter_json_two("read", stats->group.read_bytes, "written",
				       stats->group.written_bytes));
	json_object_add(json, "network",
			meter_json_two("received", stats->received, "sent", stats->sent));
	json_object_add(json, "pids", meter_json_int(stats->pids));
	return json;
}

struct json *meter_json(const struct meter *meter)
{
	struct json *all = json_new_array();

	for (size_t i = 0; i < meter->n; i++)
		json_array_add(all, meter_json_row(&meter->rows[i]));
	return all;
}
