// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/units.h"
#include "cli/bench-internal.h"

/* A plot: names to the left, bars from 0, the median in figures to the right. In units of the view box. */
#define PAGE_WIDTH 480
#define PAGE_LEFT  84
#define PAGE_RIGHT 96
#define PAGE_ROW   26
#define PAGE_BAR   (PAGE_WIDTH - PAGE_LEFT - PAGE_RIGHT)

static const char page_style[] =
	":root{color-scheme:light dark;--ink:#1c2330;--dim:#5b6675;--line:#d9dee6;--card:#fff;"
	"--back:#f4f6f9;--host:#8a94a3;--container:#1a7f5a;--vm:#3557c9}"
	"@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--dim:#9aa5b4;--line:#323a47;"
	"--card:#1c222c;--back:#12161d;--host:#8a94a3;--container:#3fbf8f;--vm:#7d9bff}}"
	"body{margin:0 auto;padding:1.5rem;max-width:76rem;background:var(--back);color:var(--ink);"
	"font:16px/1.45 system-ui,sans-serif}"
	"h1{font-size:1.5rem;margin:0}h2{font-size:1rem;margin:0 0 .4rem}"
	"p{margin:.3rem 0;font-size:.9rem;color:var(--dim);overflow-wrap:anywhere}"
	"main{display:grid;gap:1rem;margin:1.2rem 0;"
	"grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr))}"
	"section{background:var(--card);border:1px solid "
	"var(--line);border-radius:8px;padding:1rem}"
	"b{font-weight:400;white-space:nowrap;margin-right:1em}svg{display:block;width:100%;height:"
	"auto}text{font:15px "
	"system-ui,sans-serif;fill:var(--ink)}"
	".axis{stroke:var(--line)}.bar{opacity:.35}.sample{opacity:.75}"
	".host{fill:var(--host)}.container{fill:var(--container)}.vm{fill:var(--vm)}";

static void page_put_escaped(const char *text, struct buf *out)
{
	for (const char *at = text; *at; at++) {
		switch (*at) {
		case '&':
			buf_add_str(out, "&amp;");
			break;
		case '<':
			buf_add_str(out, "&lt;");
			break;
		case '>':
			buf_add_str(out, "&gt;");
			break;
		case '"':
			buf_add_str(out, "&quot;");
			break;
		default:
			buf_add(out, at, 1);
		}
	}
}

/* Where a value is, of a plot that ends at most. */
static double page_at(double value, double most)
{
	return PAGE_LEFT + PAGE_BAR * value / most;
}

static void page_put_row(const struct bench_series *series, enum bench_unit unit, int place,
			 int row, double most, struct buf *out)
{
	const char *name = bench_place_names[place];
	int middle = row * PAGE_ROW + PAGE_ROW / 2;
	struct bench_spread spread;

	if (!bench_spread(series, &spread))
		return;
	buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", PAGE_LEFT - 8,
		   middle + 4, name);
	buf_printf(
		out,
		"<rect class=\"bar %s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"14\" rx=\"2\"/>",
		name, PAGE_LEFT, middle - 7, page_at(spread.median, most) - PAGE_LEFT);
	for (size_t i = 0; i < series->n; i++)
		buf_printf(out, "<circle class=\"sample %s\" cx=\"%.1f\" cy=\"%d\" r=\"2.5\"/>",
			   name, page_at(series->samples[i], most), middle);
	buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", PAGE_WIDTH, middle + 4);
	bench_put(spread.median, unit, out);
	buf_add_str(out, "</text>");
}

static void page_put_ratio(const struct bench_series *series, enum bench_place place,
			   enum bench_place to, struct buf *out)
{
	if (!series[place].n || !series[to].n)
		return;
	buf_printf(out, " <b>%s : %s ", bench_place_names[place], bench_place_names[to]);
	bench_put_ratio(series, place, to, out);
	buf_add_str(out, "</b>");
}

static void page_put_figure(const struct bench_measure *measure, const struct bench_series *series,
			    struct buf *out)
{
	double most = 0;
	int rows = 0;

	for (int place = 0; place < BENCH_PLACES; place++) {
		struct bench_spread spread;

		if (!bench_spread(&series[place], &spread))
			continue;
		rows++;
		most = spread.max > most ? spread.max : most;
	}
	if (!rows)
		return;
	buf_printf(out, "<section><h2>%s</h2><svg viewBox=\"0 0 %d %d\" role=\"img\">",
		   measure->what, PAGE_WIDTH, rows * PAGE_ROW);
	buf_printf(out, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"0\" y2=\"%d\"/>", PAGE_LEFT,
		   PAGE_LEFT, rows * PAGE_ROW);
	for (int place = 0, row = 0; place < BENCH_PLACES; place++) {
		if (series[place].n)
			page_put_row(&series[place], measure->unit, place, row++, most, out);
	}
	buf_printf(out, "</svg><p><b>%s is better.</b>",
		   measure->unit == BENCH_PER_SECOND ? "More" : "Less");
	page_put_ratio(series, BENCH_CONTAINER, BENCH_HOST, out);
	page_put_ratio(series, BENCH_VM, BENCH_HOST, out);
	page_put_ratio(series, BENCH_VM, BENCH_CONTAINER, out);
	buf_add_str(out, "</p></section>\n");
}

void bench_page_put(const struct bench *bench, struct buf *out)
{
	char now[UNITS_TEXT_MAX];

	buf_printf(out,
		   "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		   "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
		   "<title>brig bench</title><style>%s</style></head><body>\n<h1>brig bench: ",
		   page_style);
	page_put_escaped(bench->image, out);
	buf_printf(out,
		   "</h1>\n<p>%jd rounds, in turns, on %.10s, with brig " BRIG_VERSION
		   ". Bars are medians, dots the samples.</p>\n",
		   (intmax_t)bench->rounds, units_format_time(bench->taken, now));
	strv_for_each(note, bench->notes) {
		buf_add_str(out, "<p>");
		page_put_escaped(*note, out);
		buf_add_str(out, ".</p>\n");
	}
	buf_add_str(out, "<main>\n");
	for (size_t i = 0; i < BENCH_MEASURES; i++)
		page_put_figure(&bench_measures[i], bench->series[i], out);
	buf_add_str(out, "</main>\n</body></html>\n");
}
