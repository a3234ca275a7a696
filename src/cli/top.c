// SPDX-License-Identifier: GPL-2.0-or-later
/* brig top: what runs in an instance, or which instances use how much. */
#include "base/file.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/home.h"
#include "cli/live.h"
#include "proto/procs.h"

#include <fcntl.h>
#include <string.h>

struct top {
	int json;
	int64_t interval_ms; /* 0: not given */
};

/* The id inside the instance of a user that the host sees, by the text of a uid_map file. */
static uint32_t top_uid_inside(const char *map, uint32_t uid)
{
	_cleanup_strv_ char **fields = strv_split(map ? map : "", " \n");
	struct err ignored = ERR_INIT;

	for (size_t i = 0; i + 2 < strv_len(fields); i += 3) {
		int64_t inside = 0, outside = 0, count = 0;

		if (units_parse_int(fields[i], 0, UINT32_MAX, &inside, &ignored) == 0 &&
		    units_parse_int(fields[i + 1], 0, UINT32_MAX, &outside, &ignored) == 0 &&
		    units_parse_int(fields[i + 2], 0, UINT32_MAX, &count, &ignored) == 0 &&
		    uid >= outside && uid - outside < count)
			return (uint32_t)(inside + uid - outside);
	}
	return uid;
}

static void top_translate_uids(const struct instance_view *view, struct procs_entry *entries,
			       size_t n)
{
	_cleanup_free_ char *path = mem_printf("/proc/%lld/uid_map", (long long)view->run.pid);
	_cleanup_free_ char *map = NULL;

	if (view->record.kind != INSTANCE_CONTAINER ||
	    file_read(AT_FDCWD, path, 65536, &map, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		entries[i].uid = top_uid_inside(map, entries[i].uid);
}

static void top_print_json(const struct procs_entry *entries, size_t n)
{
	_cleanup_json_ struct json *all = json_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json *json = json_new_object();
		char state[2] = { entries[i].state, '\0' };

		json_object_add(json, "pid", json_new_int(entries[i].pid));
		json_object_add(json, "ppid", json_new_int(entries[i].ppid));
		json_object_add(json, "uid", json_new_int(entries[i].uid));
		json_object_add(json, "state", json_new_string(state));
		json_object_add(json, "cpu_seconds",
				json_new_double((double)entries[i].cpu_ns / 1e9));
		json_object_add(json, "memory", json_new_int((int64_t)entries[i].rss));
		json_object_add(json, "command", json_new_string(entries[i].command));
		json_array_add(all, json);
	}
	json_print(all);
}

static void top_print_table(const struct procs_entry *entries, size_t n)
{
	static const char *const headings[] = { "PID", "USER", "TIME", "MEM", "COMMAND", NULL };
	_cleanup_table_ struct table *table = table_new(headings);

	for (size_t i = 0; i < n; i++) {
		const struct procs_entry *e = &entries[i];
		unsigned long long seconds = e->cpu_ns / 1000000000;
		char pid[16], user[16] = "root", cpu[32], memory[UNITS_TEXT_MAX];
		char *cells[] = { pid, user, cpu, memory, (char *)(uintptr_t)e->command };

		snprintf(pid, sizeof(pid), "%u", e->pid);
		if (e->uid)
			snprintf(user, sizeof(user), "%u", e->uid);
		snprintf(cpu, sizeof(cpu), "%llu:%02llu", seconds / 60, seconds % 60);
		units_format_size((int64_t)(e->rss & INT64_MAX), memory);
		table_add(table, cells);
	}
	table_print(table, 1);
}

static int top_processes(const struct instance_home *home, const char *name, int json,
			 struct err *err)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	_cleanup_free_ struct procs_entry *entries = NULL;
	size_t n = 0;
	int r = instance_view(home, name, &view, err);

	if (r == 0)
		r = instance_procs(home, name, &entries, &n, err);
	if (r < 0)
		return r;
	top_translate_uids(&view, entries, n);
	if (json)
		top_print_json(entries, n);
	else
		top_print_table(entries, n);
	return 0;
}

static int top_run(const struct cli_context *cli, const void *values, char **args, struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct top *v = values;
	struct live live = { .meter = { .home = &home },
			     .interval_ms = v->interval_ms ? v->interval_ms : LIVE_INTERVAL_MS,
			     .sort = METER_BY_CPU,
			     .keys = 1 };

	if (args && *args)
		return v->interval_ms ? err_set(err, -EINVAL,
						"option --interval is for all instances: say no "
						"NAME with it")
				      : top_processes(&home, *args, v->json, err);
	if (v->json || !screen_possible())
		return err_set(err, -EINVAL,
			       "without a NAME, 'brig top' needs a terminal; for a script there is "
			       "'brig stats --no-stream --json'");
	return live_run(&live, err);
}

static const struct option top_options[] = {
	{ "json", 0, OPTION_FLAG, NULL, "print JSON", offsetof(struct top, json) },
	LIVE_OPTION_INTERVAL(struct top, interval_ms),
	OPTION_END,
};

static const char *const top_examples[] = {
	"brig top",
	"which instances use how much, the busiest first",
	"brig top web",
	"what runs in it",
	"brig top --json web",
	"the same for a script",
	NULL,
};

const struct verb cli_top_verbs[] = {
	{ .name = "top",
	  .group = "Look",
	  .args = "[NAME]",
	  .summary = "List the processes in a running instance, or watch all instances",
	  .description =
		  "With a NAME it lists the processes in that instance, once.\n\n"
		  "Without one it shows all that run and what they use, and again each second, "
		  "as 'brig stats' has it. A key chooses what they are sorted by: c CPU, m "
		  "memory, i block io, n network, p processes, a name. The same key once more "
		  "turns the order around; q ends.",
	  .examples = top_examples,
	  .options = top_options,
	  .max_args = 1,
	  .values_size = sizeof(struct top),
	  .complete = "running",
	  .run = top_run },
	{ .name = NULL },
};
