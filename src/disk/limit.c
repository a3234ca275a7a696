// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/limit.h"

#include "base/units.h"

#define LIMIT_SECOND INT64_C(1000000000)

/* A tenth of a second's worth, and at least one. */
static int64_t limit_burst(const struct limit *limit)
{
	uint64_t burst = limit->rate / 10;

	return (int64_t)(burst > 0 ? burst : 1) * LIMIT_SECOND;
}

void limit_init(struct limit *limit, uint64_t rate, int64_t now)
{
	*limit = (struct limit){ .rate = rate < LIMIT_MAX ? rate : LIMIT_MAX, .last = now };
	limit->tokens = limit_burst(limit);
}

static void limit_fill(struct limit *limit, int64_t now)
{
	int64_t burst = limit_burst(limit), gained;

	if (now <= limit->last)
		return;
	if (__builtin_mul_overflow(now - limit->last, (int64_t)limit->rate, &gained) ||
	    __builtin_add_overflow(limit->tokens, gained, &limit->tokens) || limit->tokens > burst)
		limit->tokens = burst;
	limit->last = now;
}

int64_t limit_wait(struct limit *limit, int64_t now)
{
	if (limit->rate == 0)
		return 0;
	limit_fill(limit, now);
	/* One nanosecond brings rate billionths. */
	if (limit->tokens >= LIMIT_SECOND)
		return 0;
	return 1 + (LIMIT_SECOND - 1 - limit->tokens) / (int64_t)limit->rate;
}

void limit_take(struct limit *limit, uint64_t count)
{
	const int64_t debt_max = INT64_MIN / 2;

	if (limit->rate == 0)
		return;
	if (count > (uint64_t)(INT64_MAX / 4) / LIMIT_SECOND)
		count = (uint64_t)(INT64_MAX / 4) / LIMIT_SECOND;
	limit->tokens -= (int64_t)count * LIMIT_SECOND;
	if (limit->tokens < debt_max)
		limit->tokens = debt_max;
}
