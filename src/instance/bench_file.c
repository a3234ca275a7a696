// SPDX-License-Identifier: GPL-2.0-or-later
/* The figures as JSON, for scripts and for who asks later what kinds cost here. */
#include "base/file.h"
#include "base/mem.h"
#include "instance/bench.h"

#include <fcntl.h>
#include <string.h>

#define BENCH_FILE_SIZE_MAX (4 << 20)

static const char *const bench_unit_names[] = {
	[BENCH_NS] = "ns",
	[BENCH_BYTES] = "bytes",
	[BENCH_PER_SECOND] = "per second",
};

static struct json *bench_series_json(const struct bench_series *series)
{
	struct json *json, *samples;
	struct bench_spread spread;

	if (!bench_spread(series, &spread))
		return json_new_null();
	json = json_new_object();
	samples = json_new_array();
	json_object_add(json, "median", json_new_double(spread.median));
	json_object_add(json, "min", json_new_double(spread.min));
	json_object_add(json, "max", json_new_double(spread.max));
	for (size_t i = 0; i < series->n; i++)
		json_array_add(samples, json_new_double(series->samples[i]));
	json_object_add(json, "samples", samples);
	return json;
}

struct json *bench_json(const struct bench *bench)
{
	struct json *all = json_new_object(), *figures = json_new_array();

	for (size_t i = 0; i < BENCH_MEASURES; i++) {
		struct json *figure = json_new_object();

		json_object_add(figure, "id", json_new_string(bench_measures[i].id));
		json_object_add(figure, "what", json_new_string(bench_measures[i].what));
		json_object_add(figure, "unit",
				json_new_string(bench_unit_names[bench_measures[i].unit]));
		for (int place = 0; place < BENCH_PLACES; place++)
			json_object_add(figure, bench_place_names[place],
					bench_series_json(&bench->series[i][place]));
		json_array_add(figures, figure);
	}
	json_object_add(all, "image", json_new_string(bench->image));
	json_object_add(all, "rounds", json_new_int(bench->rounds));
	json_object_add(all, "taken", json_new_int(bench->taken));
	json_object_add(all, "figures", figures);
	json_object_add(all, "notes", json_new_strv(bench->notes));
	return all;
}

void bench_save(const struct instance_home *home, const struct bench *bench)
{
	_cleanup_free_ char *path = mem_printf("%s/" BENCH_FILE, home->root);
	_cleanup_json_ struct json *json = bench_json(bench);
	_cleanup_free_ char *text = json_text(json, 1);

	/* measuring again is all that is lost */
	(void)file_replace(AT_FDCWD, path, text, strlen(text), 0644, 0);
}

static void bench_load_series(const struct json *figure, size_t measure, enum bench_place place,
			      struct bench *ret)
{
	const struct json *samples =
		json_get_path(figure, bench_place_names[place], "samples", NULL);

	for (size_t i = 0; i < json_array_len(samples); i++) {
		double sample = json_double(json_array_at(samples, i));

		if (sample > 0)
			bench_add(ret, measure, place, sample);
	}
}

static void bench_load_figure(const struct json *figure, struct bench *ret)
{
	const char *id = json_get_string(figure, "id", "");

	for (size_t i = 0; i < BENCH_MEASURES; i++) {
		if (strcmp(bench_measures[i].id, id) != 0)
			continue;
		for (int place = 0; place < BENCH_PLACES; place++)
			bench_load_series(figure, i, (enum bench_place)place, ret);
	}
}

int bench_load(const struct instance_home *home, struct bench *ret)
{
	_cleanup_free_ char *path = mem_printf("%s/" BENCH_FILE, home->root);
	_cleanup_json_ struct json *json = NULL;
	const struct json *figures;
	struct err ignored = ERR_INIT;

	*ret = (struct bench){ 0 };
	if (json_read_file(AT_FDCWD, path, BENCH_FILE_SIZE_MAX, &json, &ignored) < 0)
		return 0;
	ret->image = mem_strdup(json_get_string(json, "image", ""));
	ret->rounds = json_get_int(json, "rounds", 0);
	ret->taken = json_get_int(json, "taken", 0);
	ret->notes = json_get_strv(json, "notes");
	figures = json_get(json, "figures");
	for (size_t i = 0; i < json_array_len(figures); i++)
		bench_load_figure(json_array_at(figures, i), ret);
	return 1;
}
