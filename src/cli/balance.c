// SPDX-License-Identifier: GPL-2.0-or-later
/* brig balance: a round, or one after the other until a signal ends it; there is nothing to undo. */
#include "base/json.h"
#include "base/units.h"
#include "cli/home.h"
#include "instance/balancer.h"

#include <poll.h>
#include <stdio.h>

#define BALANCE_INTERVAL_MS	5000
#define BALANCE_INTERVAL_MIN_MS 500
/* Who waits is not left waiting for long. */
#define BALANCE_HURRY 5
/* Thousandths of the host's memory. */
#define BALANCE_CEILING_MAX  970
#define BALANCE_CEILING_OVER 50
#define BALANCE_EASE_UNDER   100

struct balance_values {
	int dry_run, once, json;
	int64_t interval_ms, target; /* target: per cent; 0: not given */
};

static void balance_tell(void *ctx, const struct balancer_news *news)
{
	const struct balance_values *v = ctx;
	_cleanup_json_ struct json *json = NULL;
	_cleanup_free_ char *line = NULL;
	char time[UNITS_TEXT_MAX];

	if (!v->json) {
		printf("%s\n", news->text);
		return;
	}
	json = json_new_object();
	json_object_add(json, "time", json_new_string(units_format_time(units_now(), time)));
	json_object_add(json, "name", json_new_string(news->name));
	json_object_add(json, "reason", json_new_string(news->reason));
	json_object_add(json, "bytes", json_new_int(news->bytes));
	json_object_add(json, "dry_run", json_new_bool(v->dry_run));
	json_object_add(json, "text", json_new_string(news->text));
	line = json_text(json, 0);
	printf("%s\n", line);
}

static void balance_print_host(const struct balancer_round *round,
			       const struct balance_policy *policy)
{
	const struct balance_host *host = &round->host;
	char total[UNITS_TEXT_MAX];

	printf("%s: the host uses %llu %% of %s; memory is taken above %u %%, and given back "
	       "below %u %%\n",
	       round->orders ? "host" : "nothing to do",
	       (unsigned long long)((host->total - host->available) / (host->total / 100 + 1)),
	       units_format_size((int64_t)host->total, total), policy->target / 10,
	       policy->ease / 10);
}

static struct balance_policy balance_policy_of(const struct balance_values *v)
{
	struct balance_policy policy = balance_policy_default;

	if (!v->target)
		return policy;
	policy.target = (unsigned int)v->target * 10;
	policy.ease = policy.target > BALANCE_EASE_UNDER ? policy.target - BALANCE_EASE_UNDER : 0;
	policy.ceiling = policy.target + BALANCE_CEILING_OVER;
	if (policy.ceiling > BALANCE_CEILING_MAX)
		policy.ceiling = BALANCE_CEILING_MAX;
	return policy;
}

static int balance_run(const struct cli_context *cli, const void *values, char **args _unused_,
		       struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_balancer_ struct balancer *balancer = NULL;
	struct balance_values v = *(const struct balance_values *)values;
	const struct balance_policy policy = balance_policy_of(&v);
	int64_t ms = v.interval_ms ? v.interval_ms : BALANCE_INTERVAL_MS;
	int once = v.once || v.dry_run, r = 0;

	if (ms < BALANCE_INTERVAL_MIN_MS || ms > INT32_MAX)
		r = err_set(err, -ERANGE, "option --interval: it is at least 500ms");
	if (r == 0)
		r = balancer_new(&home, &policy, v.dry_run, balance_tell, &v, &balancer, err);
	while (r == 0) {
		struct balancer_round round;

		r = balancer_round(balancer, once, &round, err);
		if (r == 0 && once && !v.json)
			balance_print_host(&round, &policy);
		if (fflush(stdout) != 0 || once)
			break;
		if (r == 0)
			(void)poll(NULL, 0, (int)(round.waiting ? ms / BALANCE_HURRY : ms));
	}
	return r;
}

static const struct option balance_options[] = {
	{ "dry-run", 'n', OPTION_FLAG, NULL, "say what a round would do and why, and do nothing",
	  offsetof(struct balance_values, dry_run) },
	{ "once", 0, OPTION_FLAG, NULL, "one round, not one after the other",
	  offsetof(struct balance_values, once) },
	{ "interval", 0, OPTION_DURATION, "DURATION", "from one round to the next: 5s",
	  offsetof(struct balance_values, interval_ms) },
	{ "target", 0, OPTION_INT, "PERCENT", "of the host's memory, above which some is taken: 90",
	  offsetof(struct balance_values, target), .min = 1, .max = 97 },
	{ "json", 0, OPTION_FLAG, NULL, "print JSON: a line for each decision",
	  offsetof(struct balance_values, json) },
	OPTION_END,
};

static const char *const balance_examples[] = {
	"brig balance --dry-run",
	"what it would do now, and why",
	"systemctl enable --now brig-balance",
	"for good",
	"brig set web memory-reservation=256m memory-weight=300",
	"leave this one 256 MiB, and let it pay later than others",
	NULL,
};

const struct verb cli_balance_verbs[] = {
	{ .name = "balance",
	  .group = "Host",
	  .summary = "Move memory from instances that are idle to those that want it",
	  .description =
		  "Looks at the host's memory every few seconds. When more than the target is "
		  "in use, memory is taken from instances that can do without it: first from "
		  "those that have most of it for their memory-weight, where idle memory counts "
		  "four times, in steps of an eighth; from one that waits for memory nothing. "
		  "A guest that waits gets back what was taken from it, in steps of a quarter "
		  "and as far as there is room, which others are asked for; when there is room "
		  "to spare all get theirs. Each decision is one line with its reason.\n\n"
		  "What is taken: of a VM, what its guest says it could do without, as page "
		  "cache, by its balloon; a guest that runs out of memory takes it back by "
		  "itself. Of a container, memory that it has not touched of late, which goes "
		  "to swap: that takes cgroup version 2 (Linux 5.19) and swap. Page cache of a "
		  "container is in nobody's way, since the kernel drops it by itself.\n\n"
		  "Nobody is left less than its memory-reservation, or a VM less than 96m, nor "
		  "given more than its memory limit. Who gave nothing when asked three times is "
		  "let be for a while. 'stats --json' and 'inspect' show what is held of a VM.\n\n"
		  "It may be killed at any moment: the next one goes on from there. If none "
		  "comes, VMs get back what was taken after a minute, step by step, as also "
		  "after --once. The service brig-balance runs it for good.",
	  .examples = balance_examples,
	  .options = balance_options,
	  .values_size = sizeof(struct balance_values),
	  .run = balance_run },
	{ .name = NULL },
};
