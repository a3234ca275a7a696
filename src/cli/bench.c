// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/bench-internal.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/home.h"
#include "cli/progress.h"
#include "image/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct bench_values {
	char *kinds, *html;
	int64_t rounds;
	int json;
};

void bench_put(double value, enum bench_unit unit, struct buf *out)
{
	static const struct {
		double least;
		const char *name;
	} times[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" } },
	  rates[] = { { 1e9, "G/s" }, { 1e6, "M/s" }, { 1e3, "k/s" }, { 1, "/s" } };
	char size[UNITS_TEXT_MAX];
	size_t i = 0;

	if (unit == BENCH_BYTES) {
		buf_add_str(out, units_format_size((int64_t)value, size));
		return;
	}
	while (i + 1 < ARRAY_SIZE(times) && value < times[i].least)
		i++;
	value /= times[i].least;
	buf_printf(out, "%.*f %s",
		   value < 10	 ? 2
		   : value < 100 ? 1
				 : 0,
		   value, unit == BENCH_NS ? times[i].name : rates[i].name);
}

static void bench_put_spread(const struct bench_spread *spread, enum bench_unit unit,
			     struct buf *out)
{
	bench_put(spread->median, unit, out);
	buf_printf(out, " ±%.0f%%", 50 * (spread->max - spread->min) / spread->median);
}

void bench_put_ratio(const struct bench_series *series, enum bench_place place, enum bench_place to,
		     struct buf *out)
{
	struct bench_spread a, b;

	if (bench_spread(&series[place], &a) && bench_spread(&series[to], &b) && b.median > 0)
		buf_printf(out, "%.2f", a.median / b.median);
	else
		buf_add_str(out, "-");
}

static void bench_print(const struct bench *bench)
{
	static const char *const headings[] = { "FIGURE", "HOST",    "CONTAINER",    "VM",
						"C:HOST", "VM:HOST", "VM:CONTAINER", NULL };
	_cleanup_table_ struct table *table = table_new(headings);

	for (size_t i = 0; i < BENCH_MEASURES; i++) {
		const struct bench_series *series = bench->series[i];
		struct buf cells[ARRAY_SIZE(headings) - 1] = { 0 };
		char *words[ARRAY_SIZE(headings)] = { 0 };
		struct bench_spread spread;

		buf_add_str(&cells[0], bench_measures[i].what);
		for (int place = 0; place < BENCH_PLACES; place++) {
			if (bench_spread(&series[place], &spread))
				bench_put_spread(&spread, bench_measures[i].unit,
						 &cells[1 + place]);
			else
				buf_add_str(&cells[1 + place], "-");
		}
		bench_put_ratio(series, BENCH_CONTAINER, BENCH_HOST, &cells[4]);
		bench_put_ratio(series, BENCH_VM, BENCH_HOST, &cells[5]);
		bench_put_ratio(series, BENCH_VM, BENCH_CONTAINER, &cells[6]);
		for (size_t k = 0; k < ARRAY_SIZE(cells); k++)
			words[k] = cells[k].data;
		table_add(table, words);
		for (size_t k = 0; k < ARRAY_SIZE(cells); k++)
			buf_release(&cells[k]);
	}
	table_print(table, 1);
	if (bench->notes)
		putchar('\n');
	strv_for_each(note, bench->notes)
		printf("%s\n", *note);
}

static int bench_write_page(const struct bench *bench, const struct bench_values *v,
			    struct err *err)
{
	_cleanup_buf_ struct buf page = BUF_INIT;
	int r;

	bench_page_put(bench, &page);
	r = file_replace(AT_FDCWD, v->html, page.data, page.len, 0644, 0);
	return r < 0 ? err_errno(err, r, "cannot write %s", v->html) : 0;
}

static void bench_tell(int64_t round, int64_t rounds)
{
	progress_show(NULL, "round", round, rounds);
}

/* Those named, or NULL: both. */
static int bench_parse_kinds(const char *text, char ***ret, struct err *err)
{
	if (!text)
		return 0;
	*ret = strv_split(text, ",");
	if (!*ret || !**ret)
		return err_set(err, -EINVAL, "option --kinds: say container, vm, or both");
	strv_for_each(kind, *ret) {
		if (strcmp(*kind, "container") != 0 && strcmp(*kind, "vm") != 0)
			return err_set(err, -EINVAL,
				       "option --kinds: '%.20s' is none of container, vm", *kind);
	}
	return 0;
}

static int bench_do(const struct cli_context *cli, const void *values, char **args, struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct bench_values *v = values;
	_cleanup_bench_ struct bench bench = { 0 };
	_cleanup_json_ struct json *json = NULL;
	_cleanup_strv_ char **kinds = NULL;
	_cleanup_image_ struct image image = { 0 };
	int r = bench_parse_kinds(v->kinds, &kinds, err);

	if (r == 0)
		r = store_get(home.root, args[0], &image, err);
	if (r == 0) {
		const struct bench_options options = {
			.image = args[0], .kinds = kinds, .rounds = v->rounds, .tell = bench_tell
		};

		r = bench_run(&home, &options, &bench, err);
		progress_end();
	}
	if (r < 0)
		return r;
	json = bench_json(&bench);
	if (v->json)
		json_print(json);
	else
		bench_print(&bench);
	return v->html ? bench_write_page(&bench, v, err) : 0;
}

static const struct bench_values bench_defaults = { .rounds = 5 };

#define BENCH(name_, type_, metavar_, member_, help_, ...)                                \
	{                                                                                 \
		.name = (name_), .type = (type_), .metavar = (metavar_), .help = (help_), \
		.offset = offsetof(struct bench_values, member_), __VA_ARGS__             \
	}

static const struct option bench_options[] = {
	BENCH("kinds", OPTION_STRING, "KIND[,KIND]", kinds,
	      "container, vm, or both (as far as they run here)"),
	BENCH("rounds", OPTION_INT, "N", rounds, "how often each is done (5)", .min = 1,
	      .max = 1000),
	BENCH("html", OPTION_STRING, "FILE", html, "write a page with plots", .complete = "file"),
	BENCH("json", OPTION_FLAG, NULL, json, "print JSON"),
	OPTION_END,
};

static const char *const bench_examples[] = {
	"brig bench debian:12",
	"what a container and a VM of it cost on this host",
	"brig bench --html report.html debian:12",
	"the same, and a page with plots",
	"brig bench --kinds container --rounds 50 --json debian:12",
	"many samples of a container, for a script",
	NULL,
};

const struct verb cli_bench_verbs[] = {
	{ .name = "bench",
	  .group = "Host",
	  .args = "IMAGE",
	  .min_args = 1,
	  .max_args = 1,
	  .complete = "image",
	  .summary = "Measure what a container and a VM cost on this host",
	  .description =
		  "Makes a container and a VM of the image, in turns, and measures on each what a "
		  "user waits for (create, start to its first output, exec, stop, clone, remove), "
		  "the host's memory that it takes when idle, and how much of some works it gets "
		  "done in a second; on the host the same, where it can be. Each figure is the "
		  "median, with half the way from the least to the most. The last columns are "
		  "ratios: of times and memory less is better, of rates more.\n\n"
		  "The figures are kept, and 'brig advise' shows them. The image needs a shell, "
		  "and 'sleep' and 'true'. What falls short on this host "
		  "is said below the table. The instances are removed afterwards, also if this is "
		  "interrupted. Disks, networks and how many fit on the host are not measured "
		  "yet.\n\n"
		  "With --html there is a page as well that needs nothing else, for a report.\n\n"
		  "With --json there are image, rounds, taken, notes and figures: of each id, "
		  "what, unit, and for host, container and vm the median, min, max and samples, or "
		  "null.",
	  .examples = bench_examples,
	  .options = bench_options,
	  .values_size = sizeof(struct bench_values),
	  .defaults = &bench_defaults,
	  .run = bench_do },
	{ .name = NULL },
};
