// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/autostart.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/home.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

/* What a host gives its services to end, by default (systemd's DefaultTimeoutStopSec). */
#define AUTOSTART_TIMEOUT_MS 90000

struct autostart_values {
	int64_t timeout_ms;
};

static void autostart_done(const char *name, void *ctx _unused_)
{
	puts(name);
	(void)fflush(stdout);
}

static void autostart_failed(const char *name, const struct err *why, void *ctx _unused_)
{
	log_error("%s: %s", name, why->msg);
}

static const struct autostart_report autostart_report = {
	.started = autostart_done,
	.stopped = autostart_done,
	.failed = autostart_failed,
};

static int autostart_start_run(const struct cli_context *cli, const void *values _unused_,
			       char **args _unused_, struct err *err)
{
	const struct instance_home home = home_of(cli);

	return autostart_start(&home, &autostart_report, err);
}

static int autostart_stop_run(const struct cli_context *cli, const void *values,
			      char **args _unused_, struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct autostart_values *v = values;

	return autostart_stop(&home, v->timeout_ms, &autostart_report, err);
}

static const char *autostart_name(const void *item)
{
	return ((const struct instance_view *)item)->record.name;
}

static void autostart_row(const void *item, struct table *table)
{
	const struct instance_view *view = item;
	_cleanup_free_ char *order = mem_printf("%lld", (long long)view->record.start_order);
	_cleanup_free_ char *delay =
		mem_printf("%.3gs", (double)view->record.start_delay_ms / 1000);
	char *cells[] = { view->record.name,
			  (char *)(uintptr_t)instance_kind_names[view->record.kind],
			  (char *)(uintptr_t)instance_autostart_names[view->record.autostart],
			  (char *)(uintptr_t)instance_restart_names[view->record.restart],
			  order,
			  delay,
			  (char *)(uintptr_t)instance_state_names[view->state],
			  (char *)(uintptr_t)(autostart_is_for_boot(view) ? "starts" : "stays") };

	table_add(table, cells);
}

static struct json *autostart_json(const void *item)
{
	const struct instance_view *view = item;
	struct json *json = json_new_object();

	json_object_add(json, "name", json_new_string(view->record.name));
	json_object_add(json, "kind", json_new_string(instance_kind_names[view->record.kind]));
	json_object_add(json, "autostart",
			json_new_string(instance_autostart_names[view->record.autostart]));
	json_object_add(json, "restart",
			json_new_string(instance_restart_names[view->record.restart]));
	json_object_add(json, "order", json_new_int(view->record.start_order));
	json_object_add(json, "delay_ms", json_new_int(view->record.start_delay_ms));
	json_object_add(json, "state", json_new_string(instance_state_names[view->state]));
	json_object_add(json, "due", json_new_bool(autostart_is_for_boot(view)));
	return json;
}

static const char *const autostart_headings[] = { "NAME",  "KIND",  "AUTOSTART", "RESTART", "ORDER",
						  "DELAY", "STATE", "AT BOOT",	 NULL };

static const struct listing_kind autostart_kind = {
	.headings = autostart_headings,
	.name = autostart_name,
	.row = autostart_row,
	.json = autostart_json,
};

struct autostart_list {
	struct instance_view *views;
	size_t n;
};

static int autostart_note(struct instance_view *view, void *ctx)
{
	struct autostart_list *list = ctx;

	if (view->damaged)
		return 0;
	list->views = mem_realloc(list->views, list->n + 1, sizeof(*list->views));
	list->views[list->n++] = *view;
	*view = (struct instance_view){ .alive = 0 };
	return 0;
}

static int autostart_compare(const void *a, const void *b)
{
	const struct instance_view *one = a, *other = b;

	if (one->record.start_order != other->record.start_order)
		return one->record.start_order < other->record.start_order ? -1 : 1;
	return strcmp(one->record.name, other->record.name);
}

static int autostart_ls_run(const struct cli_context *cli, const void *values, char **args _unused_,
			    struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_listing_ struct listing listing = { 0 };
	struct autostart_list list = { 0 };
	int r = instance_each(&home, autostart_note, &list, err);

	listing_init(&listing, &autostart_kind, values);
	if (list.n)
		qsort(list.views, list.n, sizeof(*list.views), autostart_compare);
	for (size_t i = 0; i < list.n; i++) {
		if (r == 0)
			listing_add(&listing, &list.views[i]);
		instance_view_release(&list.views[i]);
	}
	free(list.views);
	if (r == 0)
		listing_print(&listing);
	return r;
}

static const struct autostart_values autostart_defaults = { .timeout_ms = AUTOSTART_TIMEOUT_MS };

static const struct option autostart_stop_options[] = {
	{ "timeout", 't', OPTION_DURATION, "TIME", "for all of them together (90s)",
	  offsetof(struct autostart_values, timeout_ms) },
	OPTION_END,
};

static const char *const autostart_examples[] = {
	"brig set db autostart=yes order=1 delay=5s",
	"start it with the host, first, and the next one 5 s later",
	"systemctl enable --now brig.service",
	"have the host do so",
	"brig autostart ls",
	"which ones in which order",
	NULL,
};

static const char *const autostart_stop_examples[] = {
	"brig autostart stop --timeout 60s",
	"all of them, in a minute at the most",
	NULL,
};

static const char *const autostart_ls_examples[] = {
	"brig autostart ls",
	"what starts with the host, and in which order",
	NULL,
};

const struct verb cli_autostart_verbs[] = {
	{ .noun = "autostart",
	  .name = "start",
	  .group = "Host",
	  .args = "",
	  .summary = "Start what is to start with the host",
	  .description =
		  "Starts, one after the other, the instances with 'autostart=yes' (see 'brig "
		  "set'), and of those that say nothing of it the ones with the restart policy "
		  "'always', or 'unless-stopped' if it was not the user who stopped them; if they "
		  "have ever run. The lower its 'order', the earlier one starts, and the next one "
		  "its 'delay' later. Who runs already stays as it is. brig.service does this at "
		  "boot.",
	  .examples = autostart_examples,
	  .run = autostart_start_run },
	{ .noun = "autostart",
	  .name = "stop",
	  .group = "Host",
	  .args = "",
	  .summary = "Stop all that run, as the host does when it shuts down",
	  .description = "Stops all instances, those with the highest order first, and all of one "
			 "order at once. Each gets its own time to stop, until the time of all "
			 "is up: what still runs then is killed. 'brig autostart start' starts "
			 "again what the restart policy says. brig.service does this at shutdown.",
	  .examples = autostart_stop_examples,
	  .options = autostart_stop_options,
	  .values_size = sizeof(struct autostart_values),
	  .defaults = &autostart_defaults,
	  .run = autostart_stop_run },
	{ .noun = "autostart",
	  .name = "ls",
	  .group = "Host",
	  .args = "",
	  .summary = "List instances in the order in which they start with the host",
	  .description = "Lists all instances in that order, and whether each starts at the next "
			 "boot, as things stand.",
	  .examples = autostart_ls_examples,
	  .options = listing_options_table,
	  .values_size = sizeof(struct listing_options),
	  .run = autostart_ls_run },
	{ .name = NULL },
};
