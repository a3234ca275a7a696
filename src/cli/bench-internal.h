/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_BENCH_INTERNAL_H
#define CLI_BENCH_INTERNAL_H

#include "base/buf.h"
#include "instance/bench.h"

/* "2.10 ms", "1.5G", "6.76 M/s": three digits, and the unit that makes them few. */
void bench_put(double value, enum bench_unit unit, struct buf *out);
/* The ratio of the medians of two places; "-" where one of them is not known. */
void bench_put_ratio(const struct bench_series *series, enum bench_place place, enum bench_place to,
		     struct buf *out);

/*
 * A page of HTML that needs nothing else: a plot (SVG) for each figure with all samples, the median and the ratios, and
 * what falls short. Bytes of outsiders (an image's name, notes) are escaped.
 */
void bench_page_put(const struct bench *bench, struct buf *out);

#endif
