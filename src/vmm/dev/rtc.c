// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/dev/rtc.h"
#include "base/mem.h"

#include <time.h>

#define RTC_BYTES 128

enum {
	RTC_SECONDS,
	RTC_MINUTES = 2,
	RTC_HOURS = 4,
	RTC_WEEKDAY = 6,
	RTC_DAY,
	RTC_MONTH,
	RTC_YEAR,
	RTC_A,
	RTC_B,
	RTC_C,
	RTC_D,
	RTC_CENTURY = 0x32, /* where ACPI's FADT may say that it is */
};

#define RTC_A_RATE  0x26 /* a 32 kHz crystal; no update is under way */
#define RTC_B_HOURS 0x02 /* 24 of them */
#define RTC_D_VALID 0x80

struct rtc {
	uint8_t index;
	uint8_t bytes[RTC_BYTES]; /* the guest's, but for those of the clock */
};

struct rtc *rtc_new(void)
{
	return mem_zalloc(sizeof(struct rtc));
}

struct rtc *rtc_free(struct rtc *rtc)
{
	free(rtc);
	return NULL;
}

static uint8_t rtc_bcd(int value)
{
	return (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

static uint8_t rtc_get(const struct rtc *rtc)
{
	time_t now = time(NULL);
	struct tm tm;

	(void)gmtime_r(&now, &tm);
	switch (rtc->index) {
	case RTC_SECONDS:
		return rtc_bcd(tm.tm_sec);
	case RTC_MINUTES:
		return rtc_bcd(tm.tm_min);
	case RTC_HOURS:
		return rtc_bcd(tm.tm_hour);
	case RTC_WEEKDAY:
		return rtc_bcd(tm.tm_wday + 1);
	case RTC_DAY:
		return rtc_bcd(tm.tm_mday);
	case RTC_MONTH:
		return rtc_bcd(tm.tm_mon + 1);
	case RTC_YEAR:
		return rtc_bcd(tm.tm_year % 100);
	case RTC_CENTURY:
		return rtc_bcd(19 + tm.tm_year / 100);
	case RTC_A:
		return RTC_A_RATE;
	case RTC_B:
		return RTC_B_HOURS;
	case RTC_C:
		return 0;
	case RTC_D:
		return RTC_D_VALID;
	default:
		return rtc->bytes[rtc->index];
	}
}

static void rtc_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	const struct rtc *rtc = ctx;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)data)[i] = offset + i == 1 ? rtc_get(rtc) : 0xff;
}

static void rtc_write(void *ctx, uint64_t offset, const void *data, size_t len)
{
	struct rtc *rtc = ctx;

	for (size_t i = 0; i < len; i++) {
		uint8_t byte = ((const uint8_t *)data)[i];

		/* the top bit of the index masks NMIs, on a PC */
		if (offset + i == 0)
			rtc->index = byte & (RTC_BYTES - 1);
		else
			rtc->bytes[rtc->index] = byte;
	}
}

const struct bus_ops rtc_bus_ops = { .read = rtc_read, .write = rtc_write };
