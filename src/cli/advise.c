// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/advise.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/bench-internal.h"
#include "cli/home.h"
#include "cli/recipe.h"

#include <stdio.h>
#include <string.h>

struct advise_values {
	char **needs;
	int explain, json;
};

static struct json *advise_json_rule(const struct advise_rule *rule)
{
	struct json *json = json_new_object();

	json_object_add(json, "id", json_new_string(rule->id));
	json_object_add(json, "looks_at", json_new_string(rule->looks_at));
	json_object_add(json, "says", json_new_string(advise_verdict_names[rule->verdict]));
	json_object_add(json, "weight", json_new_int((int64_t)rule->weight));
	json_object_add(json, "reason", json_new_string(rule->reason));
	json_object_add(json, "source", json_new_string(rule->source));
	return json;
}

static void advise_print_json(const char *name, const struct advice *advice,
			      const struct bench *bench)
{
	_cleanup_json_ struct json *all = json_new_object();
	struct json *rules = json_new_array(), *weights = json_new_object();

	for (size_t i = 0; i < advice->n; i++) {
		struct json *rule = advise_json_rule(advice->findings[i].rule);

		json_object_add(rule, "found", json_new_string(advice->findings[i].detail));
		json_array_add(rules, rule);
	}
	for (int i = ADVISE_CONTAINER; i <= ADVISE_VM; i++)
		json_object_add(weights, advise_verdict_names[i], json_new_int(advice->weights[i]));
	json_object_add(all, "name", json_new_string(name));
	json_object_add(all, "verdict", json_new_string(advise_verdict_names[advice->verdict]));
	json_object_add(all, "weights", weights);
	json_object_add(all, "rules", rules);
	json_object_add(all, "costs", bench ? bench_json(bench) : json_new_null());
	json_print(all);
}

static void advise_put_id(const void *item, struct buf *out)
{
	buf_add_str(out, ((const struct advise_finding *)item)->rule->id);
}

static void advise_put_says(const void *item, struct buf *out)
{
	buf_add_str(out,
		    advise_verdict_names[((const struct advise_finding *)item)->rule->verdict]);
}

static void advise_put_weight(const void *item, struct buf *out)
{
	buf_printf(out, "%d", (int)((const struct advise_finding *)item)->rule->weight);
}

static void advise_put_found(const void *item, struct buf *out)
{
	buf_add_str(out, ((const struct advise_finding *)item)->detail);
}

static const struct table_column advise_columns[] = {
	{ "RULE", advise_put_id },
	{ "SAYS", advise_put_says },
	{ "WEIGHT", advise_put_weight },
	{ "FOUND", advise_put_found },
};

static void advise_print(const char *name, const struct advice *advice)
{
	_cleanup_table_ struct table *table =
		table_new_of(advise_columns, ARRAY_SIZE(advise_columns), advice->findings,
			     advice->n, sizeof(*advice->findings));

	printf("%s: %s (container %d, vm %d)\n", name, advise_verdict_names[advice->verdict],
	       advice->weights[ADVISE_CONTAINER], advice->weights[ADVISE_VM]);
	if (!advice->n) {
		puts("No rule fired: nothing that can be seen speaks for either kind.");
		return;
	}
	putchar('\n');
	table_print(table, 1);
	putchar('\n');
	for (size_t i = 0; i < advice->n; i++)
		printf("%s: %s (%s)\n", advice->findings[i].rule->id,
		       advice->findings[i].rule->reason, advice->findings[i].rule->source);
}

/* What the kinds cost on this host, as far as that was measured: what a user waits for, and what an idle one takes. */
static const char *const advise_costs[] = { "create",  "start", "exec", "memory",
					    "syscall", "fork",	NULL };

static int advise_is_cost(const char *id)
{
	for (size_t i = 0; advise_costs[i]; i++) {
		if (!strcmp(advise_costs[i], id))
			return 1;
	}
	return 0;
}

static void advise_print_costs(const struct bench *bench)
{
	static const char *const headings[] = { "COST", "CONTAINER", "VM", NULL };
	_cleanup_table_ struct table *table = table_new(headings);
	char when[UNITS_TEXT_MAX];

	for (size_t i = 0; i < BENCH_MEASURES; i++) {
		_cleanup_buf_ struct buf container = BUF_INIT, vm = BUF_INIT;
		struct bench_spread spread;

		if (!advise_is_cost(bench_measures[i].id))
			continue;
		if (bench_spread(&bench->series[i][BENCH_CONTAINER], &spread))
			bench_put(spread.median, bench_measures[i].unit, &container);
		if (bench_spread(&bench->series[i][BENCH_VM], &spread))
			bench_put(spread.median, bench_measures[i].unit, &vm);
		table_add(table, (char *[]){ (char *)(uintptr_t)bench_measures[i].what,
					     container.data ? container.data : (char[]){ "-" },
					     vm.data ? vm.data : (char[]){ "-" }, NULL });
	}
	putchar('\n');
	table_print(table, 1);
	printf("measured here with %s, %.10s\n", bench->image,
	       units_format_time(bench->taken, when));
}

static void advise_explain(const struct advise_rule *rule)
{
	printf("%s: %s, with a weight of %d, by %s", rule->id, advise_verdict_names[rule->verdict],
	       (int)rule->weight, rule->looks_at);
	if (rule->arg)
		printf(": %s", rule->arg);
	printf("\n  %s\n  source: %s\n", rule->reason, rule->source);
}

/* One rule, or all. */
static int advise_explain_all(const char *id, int json, struct err *err)
{
	_cleanup_json_ struct json *all = json_new_array();

	if (id && !advise_find(id))
		return err_set(err, -ENOENT,
			       "there is no rule '%.40s'; 'brig advise --explain' lists them", id);
	for (const struct advise_rule *rule = advise_rules; rule->id; rule++) {
		if (id && strcmp(rule->id, id) != 0)
			continue;
		if (json)
			json_array_add(all, advise_json_rule(rule));
		else
			advise_explain(rule);
	}
	if (json)
		json_print(all);
	return 0;
}

/* An instance by that name; else the container that would be made of the image. */
static int advise_find_subject(const struct instance_home *home, const char *name,
			       struct instance *ret, struct err *err)
{
	_cleanup_image_ struct image image = { 0 };
	struct err ignored = ERR_INIT;
	int r = instance_load(home, name, ret, &ignored);

	if (r != -ENOENT && r != -EINVAL)
		return r < 0 ? err_set(err, r, "%s", ignored.msg) : 0;
	instance_release(ret);
	instance_init(ret);
	r = store_get(home->root, name, &image, err);
	if (r == -ENOENT)
		return err_set(
			err, r,
			"there is no instance and no image '%.120s' here; 'brig pull' brings "
			"an image",
			name);
	return r < 0 ? r : recipe_fill(&recipe_defaults, &image, NULL, ret, err);
}

static int advise_run(const struct cli_context *cli, const void *values, char **args,
		      struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct advise_values *v = values;
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_advice_ struct advice advice = { 0 };
	_cleanup_bench_ struct bench bench = { 0 };
	int r, measured;

	if (v->explain)
		return advise_explain_all(args[0], v->json, err);
	if (!args[0])
		return err_set(err, -EINVAL, "say which image or instance");
	instance_init(&record);
	r = advise_find_subject(&home, args[0], &record, err);
	if (r == 0)
		r = advise_about(&home, &record, v->needs, &advice, err);
	if (r < 0)
		return r;
	measured = bench_load(&home, &bench);
	if (v->json) {
		advise_print_json(args[0], &advice, measured ? &bench : NULL);
		return 0;
	}
	advise_print(args[0], &advice);
	if (measured)
		advise_print_costs(&bench);
	else
		printf("\n'brig bench %s' measures what each kind costs on this host.\n",
		       record.image);
	return 0;
}

#define ADVISE(name_, type_, metavar_, member_, help_)                                    \
	{                                                                                 \
		.name = (name_), .type = (type_), .metavar = (metavar_), .help = (help_), \
		.offset = offsetof(struct advise_values, member_)                         \
	}

static const struct option advise_options[] = {
	ADVISE("need", OPTION_STRV, "KEY=VALUE", needs,
	       "what cannot be seen, as trust=no; 'brig advise --explain' lists all"),
	ADVISE("explain", OPTION_FLAG, NULL, explain, "tell of this rule, or of all"),
	ADVISE("json", OPTION_FLAG, NULL, json, "print JSON"),
	OPTION_END,
};

static const char *const advise_examples[] = {
	"brig advise debian:12 --need trust=no",
	"which kind fits an image that strangers get a shell in",
	"brig advise web",
	"the same of an instance, with the settings that it has",
	"brig advise --explain nesting",
	"why that rule is one, and where it is from",
	NULL,
};

const struct verb cli_advise_verbs[] = {
	{ .name = "advise",
	  .group = "Host",
	  .args = "[IMAGE|NAME|RULE]",
	  .summary = "Say whether a workload belongs in a container or in a VM, and why",
	  .description =
		  "Rules look at what an instance is set to, or what would be made of the image, "
		  "at "
		  "the image's files, at this host, and at the needs that are given. Those that "
		  "fire are shown with their weights, and the larger sum is the verdict: "
		  "'container', 'vm', or 'either' if they are equal. A hint counts 1, a strong "
		  "reason 4, what must be 20, and what cannot be otherwise 1000.\n\n"
		  "Nothing is changed. 'run' and 'create' follow the verdict with "
		  "--isolation auto.\n\n"
		  "What each kind costs on this host is shown as 'brig bench' last measured it. "
		  "With --json, 'verdict', 'weights' of both kinds, 'costs' (what that said, or "
		  "null) "
		  "and 'rules': id, looks_at, "
		  "says, "
		  "weight, reason, source, and what was found.",
	  .examples = advise_examples,
	  .options = advise_options,
	  .max_args = 1,
	  .values_size = sizeof(struct advise_values),
	  .complete = "image instance",
	  .run = advise_run },
	{ .name = NULL },
};
