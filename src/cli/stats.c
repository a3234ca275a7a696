// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * brig stats: on a terminal in place; into a pipe or a file one table, or one line of JSON, after the other, for as long as
 * somebody reads.
 */
#include "base/units.h"
#include "cli/home.h"
#include "cli/live.h"

#include <poll.h>
#include <stdio.h>

struct stats_values {
	int all, no_stream, json, no_header;
	int64_t interval_ms; /* 0: not given */
};

static void stats_print(const struct meter *meter, const struct stats_values *v)
{
	_cleanup_json_ struct json *json = v->json ? meter_json(meter) : NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (json && v->no_stream) {
		json_print(json);
		return;
	}
	if (json) {
		_cleanup_free_ char *line = json_text(json, 0);

		buf_printf(&text, "%s\n", line);
	} else {
		meter_format(meter, !v->no_header, &text);
	}
	fwrite(text.data, 1, text.len, stdout);
}

/* Between two readings there is nothing else to wait for. */
static void stats_pause(int64_t ms)
{
	(void)poll(NULL, 0, (int)(ms < INT32_MAX ? ms : INT32_MAX));
}

/* An interval given is what to measure over. */
static int stats_once(struct meter *meter, const struct stats_values *v, struct err *err)
{
	int r = meter_read(meter, METER_CPU_SINCE_START, err);

	if (r == 0 && v->interval_ms) {
		stats_pause(v->interval_ms);
		r = meter_read(meter, METER_CPU_SINCE_LAST, err);
	}
	if (r == 0)
		stats_print(meter, v);
	return r;
}

static int stats_stream(struct meter *meter, const struct stats_values *v, struct err *err)
{
	int64_t ms = v->interval_ms ? v->interval_ms : LIVE_INTERVAL_MS;
	int r = meter_read(meter, METER_CPU_SINCE_START, err);

	for (int first = 1; r == 0; first = 0) {
		if (!first && !v->json)
			putchar('\n');
		stats_print(meter, v);
		if (fflush(stdout) != 0)
			return 0;
		stats_pause(ms);
		r = meter_read(meter, METER_CPU_SINCE_LAST, err);
	}
	return r;
}

static int stats_run(const struct cli_context *cli, const void *values, char **args,
		     struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct stats_values *v = values;
	struct live live = {
		.meter = { .home = &home, .names = args && *args ? args : NULL, .all = v->all },
		.interval_ms = v->interval_ms ? v->interval_ms : LIVE_INTERVAL_MS,
		.sort = METER_BY_NAME
	};
	int r;

	if (v->interval_ms && v->interval_ms < LIVE_INTERVAL_MIN_MS)
		return err_set(err, -ERANGE, "option --interval: it is at least 100ms");
	if (!v->no_stream && !v->json && screen_possible())
		return live_run(&live, err);
	r = v->no_stream ? stats_once(&live.meter, v, err) : stats_stream(&live.meter, v, err);
	meter_release(&live.meter);
	return r;
}

static const struct option stats_options[] = {
	{ "all", 'a', OPTION_FLAG, NULL, "show those too that do not run",
	  offsetof(struct stats_values, all) },
	{ "no-stream", 0, OPTION_FLAG, NULL, "read once, print that and end",
	  offsetof(struct stats_values, no_stream) },
	LIVE_OPTION_INTERVAL(struct stats_values, interval_ms),
	{ "no-header", 0, OPTION_FLAG, NULL, "leave the headings out",
	  offsetof(struct stats_values, no_header) },
	{ "json", 0, OPTION_FLAG, NULL, "print JSON: an array, or one on each line",
	  offsetof(struct stats_values, json) },
	OPTION_END,
};

static const char *const stats_examples[] = {
	"brig stats",
	"all that run, once a second",
	"brig stats --no-stream --json web | jq '.[0].memory.host'",
	"one figure of one",
	"brig stats --no-stream --interval 5s",
	"measured over the next five seconds",
	NULL,
};

const struct verb cli_stats_verbs[] = {
	{ .name = "stats",
	  .group = "Look",
	  .args = "[NAME...]",
	  .summary = "Show what instances use of the host",
	  .description =
		  "Shows CPU, memory, pressure, block io, network and processes of all that "
		  "run, or of the named ones: on a terminal in place, until q or Ctrl-C, else "
		  "one table after the other. What this host does not count is '-'.\n\n"
		  "CPU is in per cent of one CPU, since the reading before; with --no-stream and "
		  "no --interval since the start. MEM-GUEST is in use as the workload sees it: "
		  "in a VM the guest's kernel says so. MEM-HOST is what the host spends on it: "
		  "a VM's memory that was touched, with its monitor. Neither counts file pages "
		  "that nobody has used of late. LIMIT is the bound of the host's figure of a "
		  "container, and of a VM the guest's memory.\n\n"
		  "PRESSURE is, of CPU, memory and io, how much of the last ten seconds something "
		  "in it had to wait for it, in per cent: of a VM as the host sees it. BLOCK-R/W "
		  "and NET-RX/TX are bytes since the start.",
	  .examples = stats_examples,
	  .options = stats_options,
	  .values_size = sizeof(struct stats_values),
	  .max_args = -1,
	  .complete = "running",
	  .run = stats_run },
	{ .name = NULL },
};
