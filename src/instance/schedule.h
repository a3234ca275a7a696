/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_SCHEDULE_H
#define INSTANCE_SCHEDULE_H

#include "instance/instance.h"

/*
 * Snapshots by schedule: an instance whose record has snapshots_every_ms gets one, "auto-" and the time, when its newest
 * scheduled one is that old. Whoever calls schedule_run() now and then, as a timer does, is what makes it happen. One
 * that is older than snapshots_expiry_ms is removed, if it was made so and there is a newer one of the kind.
 *
 * What has never run has nothing to keep, what a checkpoint has stopped does not change, and neither does what is stopped
 * and has its last one from after its end: they get none. One whose record is damaged is a failure.
 */

/* Shorter is in vain, for the timer does not come more often (share/brig-snapshot.timer). */
#define SCHEDULE_MIN_MS (INT64_C(15) * 60 * 1000)
/* What is in ns must still be counted. */
#define SCHEDULE_MAX_MS (INT64_C(3650) * 24 * 60 * 60 * 1000)

struct schedule_events {
	void (*made)(void *ctx, const char *name, const char *snap);
	void (*failed)(void *ctx, const char *name, const struct err *err);
	void *ctx;
};

/* All that is due now. One instance's failure is told, and does not stop the others.
 * Waits for another one that runs. */
int schedule_run(const struct instance_home *home, const struct schedule_events *events,
		 struct err *err);

/*
 * Whether the next one is due, if the newest is of then (0: there is none), and the instance stopped then (0: it runs);
 * in ns since the epoch.
 */
int schedule_is_due(int64_t every_ms, int64_t newest, int64_t ended, int64_t now);

#endif
