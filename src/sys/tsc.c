// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/tsc.h"

#include <time.h>

#define TSC_WINDOW_NS 4000000

#ifdef __x86_64__

#include <cpuid.h>
#include <x86intrin.h>

/* CPUID 0x80000007, EDX bit 8: the counter runs at one rate, asleep or not */
#define TSC_POWER_LEAF 0x80000007
#define TSC_INVARIANT  (1U << 8)

static int64_t tsc_clock(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t tsc_khz(void)
{
	unsigned int a = 0, b = 0, c = 0, d = 0;
	int64_t begin, end;
	uint64_t ticks;

	if (!__get_cpuid(TSC_POWER_LEAF, &a, &b, &c, &d) || !(d & TSC_INVARIANT))
		return 0;
	begin = tsc_clock();
	ticks = __rdtsc();
	do {
		end = tsc_clock();
	} while (end - begin < TSC_WINDOW_NS);
	ticks = __rdtsc() - ticks;
	return (int64_t)(ticks * 1000000 / (uint64_t)(end - begin));
}

#else

int64_t tsc_khz(void)
{
	return 0;
}

#endif
