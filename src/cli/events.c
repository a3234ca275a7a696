// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/events.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/home.h"

#include <stdio.h>
#include <string.h>

struct events_values {
	int follow, json;
	char *since, *until;
	char **kinds;
};

/* A word of an event's, or of a workload's name in it: no control characters. */
static const char *events_word(const struct json *event, const char *key)
{
	const char *word = json_get_string(event, key, "-");

	return strpbrk(word, "\033\n\r\t") ? "?" : word;
}

static int events_print(const struct json *event, void *ctx)
{
	const struct events_values *v = ctx;

	if (v->json) {
		_cleanup_free_ char *line = json_text(event, 0);

		puts(line);
	} else {
		printf("%s  %s  %s  %s: %s\n", events_word(event, "time"),
		       events_word(event, "kind"), events_word(event, "name"),
		       events_word(event, "event"), events_word(event, "text"));
	}
	return fflush(stdout) != 0;
}

static int events_check_kinds(char *const *kinds, struct err *err)
{
	strv_for_each(kind, kinds) {
		if (!strv_has((char *const *)(uintptr_t)events_kind_names, *kind))
			return err_set(err, -EINVAL,
				       "option --event: there is no '%.32s'; there are start, end, "
				       "restart, pause, resume, oom, throttle and unthrottle",
				       *kind);
	}
	return 0;
}

static int events_run(const struct cli_context *cli, const void *values, char **args,
		      struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct events_values *v = values;
	struct events_wanted wanted = { .names = args && *args ? args : NULL,
					.kinds = v->kinds,
					.follow = v->follow,
					.only_new = v->follow && !v->since };
	int64_t now = units_now();
	int r = events_check_kinds(v->kinds, err);

	if (r < 0)
		return r;
	if (v->since && units_parse_time(v->since, now, &wanted.since_ns, err) < 0)
		return err_wrap(err, "option --since");
	if (v->until && units_parse_time(v->until, now, &wanted.until_ns, err) < 0)
		return err_wrap(err, "option --until");
	r = events_read(&home, &wanted, events_print, (void *)(uintptr_t)v, err);
	return r < 0 ? r : 0;
}

static const struct option events_options[] = {
	{ "follow", 'f', OPTION_FLAG, NULL, "print those that come, as they come",
	  offsetof(struct events_values, follow) },
	{ "since", 0, OPTION_STRING, "TIME",
	  "only what is newer: a date, a time, or 10m for ten minutes ago",
	  offsetof(struct events_values, since) },
	{ "until", 0, OPTION_STRING, "TIME", "only what is older; with --follow end then",
	  offsetof(struct events_values, until) },
	{ "event", 0, OPTION_STRV, "EVENT", "only these, as oom or end",
	  offsetof(struct events_values, kinds) },
	{ "json", 0, OPTION_FLAG, NULL, "print JSON, a line for each",
	  offsetof(struct events_values, json) },
	OPTION_END,
};

static const char *const events_examples[] = {
	"brig events --follow",
	"what happens from now on",
	"brig events --since 1d --event oom",
	"who lacked memory since yesterday",
	"brig events --json web | jq -r .text",
	"all of one instance, for a script",
	NULL,
};

const struct verb cli_events_verbs[] = {
	{ .name = "events",
	  .group = "Look",
	  .args = "[NAME...]",
	  .summary = "Show what has happened to instances",
	  .description =
		  "Shows the events of all instances, or of the named ones, the oldest first: "
		  "start, end, restart (by its policy), pause, resume, and what an instance "
		  "lacked.\n\n"
		  "'oom' says whom a kernel killed for want of memory, and why: because the "
		  "instance's limit was met, one inside or above it, or because the host had no "
		  "memory left; in a virtual machine, whether the guest's kernel killed "
		  "something inside, or the host's the machine itself. 'throttle' says that the "
		  "limit of CPUs kept it from running in a quarter of the last minute or more, "
		  "'unthrottle' that this is over.\n\n"
		  "With --follow those before are shown only with --since. They are kept until "
		  "there are more than 2 MiB of them.",
	  .examples = events_examples,
	  .options = events_options,
	  .values_size = sizeof(struct events_values),
	  .max_args = -1,
	  .complete = "instance",
	  .run = events_run },
	{ .name = NULL },
};
