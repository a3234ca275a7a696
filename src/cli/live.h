/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_LIVE_H
#define CLI_LIVE_H

#include "base/option.h"
#include "cli/meter.h"
#include "cli/screen.h"

#define LIVE_INTERVAL_MS     1000
#define LIVE_INTERVAL_MIN_MS 100

/* The row of an option for interval_ms, of verbs that have one. */
#define LIVE_OPTION_INTERVAL(type_, member_)                                                   \
	{                                                                                      \
		.name = "interval", .letter = 'd', .type = OPTION_DURATION, .metavar = "TIME", \
		.help = "the time from one reading to the next, at least 100ms",               \
		.offset = offsetof(type_, member_)                                             \
	}

/* Figures of instances, read again and again until the user has seen enough. */
struct live {
	struct meter meter;
	int64_t interval_ms;
	char sort; /* a key of meter_sort() */
	int keys; /* of the keyboard choose another; else it is a table alone, and the last one stays */
	int turned; /* the smallest first */
	/* live_run()'s own */
	struct loop *loop;
	struct loop_source *timer;
	struct screen *screen;
	struct err err;
};

/* On the terminal; returns the exit status or -errno, and has released the meter. */
int live_run(struct live *live, struct err *err);

#endif
