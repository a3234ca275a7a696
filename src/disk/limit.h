/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_LIMIT_H
#define DISK_LIMIT_H

#include <stdint.h>

/*
 * A token bucket: what was not used gathers for up to a tenth of a second's worth, so that the
 * rate holds over any longer time. A request may take more than there is as long as there is one token: the
 * bucket then owes, and whoever comes next waits for longer. So no request is too large to ever pass.
 *
 * Times are CLOCK_MONOTONIC in nanoseconds, as units_monotonic() gives them.
 */
struct limit {
	uint64_t rate;	/* per second; 0: no limit */
	int64_t tokens; /* in billionths of one, so that no rate is rounded */
	int64_t last;	/* when tokens was right */
};

/* Most that a rate may be: billionths of a burst of it fit in 63 bits. */
#define LIMIT_MAX (UINT64_C(1) << 36)

void limit_init(struct limit *limit, uint64_t rate, int64_t now);

/* Nanoseconds until there is a token in the bucket; 0: there is. */
int64_t limit_wait(struct limit *limit, int64_t now);
void limit_take(struct limit *limit, uint64_t count);

#endif
