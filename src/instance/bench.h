/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_BENCH_H
#define INSTANCE_BENCH_H

#include "base/json.h"
#include "instance/instance.h"

/*
 * What a container and a VM of an image cost on this host, and what they are as quick as. Everything is done by this
 * program's own verbs, as a user types them, round by round in turns, so that what else the host does meets all alike.
 */
enum bench_place { BENCH_HOST, BENCH_CONTAINER, BENCH_VM, BENCH_PLACES };
extern const char *const bench_place_names[]; /* "host", "container", "vm" */

enum bench_unit { BENCH_NS, BENCH_BYTES, BENCH_PER_SECOND };

/* A row of figures. */
struct bench_measure {
	const char *id; /* stable, for scripts */
	const char *what;
	enum bench_unit unit;
	const char *work; /* of bench_work.h, where it is that which is measured */
};
#define BENCH_FILE     "bench.json" /* in the root: the last one that measured both kinds */
#define BENCH_MEASURES 12
extern const struct bench_measure bench_measures[BENCH_MEASURES];

struct bench_series {
	double *samples;
	size_t n;
};

struct bench_spread {
	double median, min, max;
};

struct bench {
	char *image;
	int64_t rounds, taken;	  /* units_now(), when it ended */
	int places[BENCH_PLACES]; /* which of them are measured */
	struct bench_series series[BENCH_MEASURES][BENCH_PLACES];
	char **notes; /* what falls short here, and what was left out, a sentence each */
};

struct bench_options {
	const char *image;
	char *const *kinds; /* names of those to measure; NULL: both, as far as they run here */
	int64_t rounds;
	/* Tells of a round that begins; NULL: nobody wants to know. */
	void (*tell)(int64_t round, int64_t rounds);
};

/*
 * Runs the rounds. Its instances are gone afterwards, however it ends; of one that was killed itself, they go with the
 * next. -EINTR: a signal to end came. -EBUSY: another bench runs.
 */
int bench_run(const struct instance_home *home, const struct bench_options *options,
	      struct bench *ret, struct err *err);
void bench_release(struct bench *bench);
#define _cleanup_bench_ _cleanup_(bench_release)

/* All of it (docs/formats.md). */
struct json *bench_json(const struct bench *bench);
/* In BENCH_FILE, if it can be written. */
void bench_save(const struct instance_home *home, const struct bench *bench);
/* 1, or 0 where there is none that can be read; then it is empty. */
int bench_load(const struct instance_home *home, struct bench *ret);

void bench_add(struct bench *bench, size_t measure, enum bench_place place, double sample);
/* 0 where there are no samples. */
int bench_spread(const struct bench_series *series, struct bench_spread *ret);
/* Notes what the samples say of themselves: that they are too far apart to rely on. */
void bench_note_spread(struct bench *bench);

#endif
