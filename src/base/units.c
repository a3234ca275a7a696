// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/units.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct units_suffix {
	const char *text;
	int64_t factor;
};

/* Reads DIGITS[.DIGITS] as thousandths; the rest of the string goes to *ret_end. */
static int units_scan_milli(const char *s, int64_t *ret, const char **ret_end)
{
	int64_t whole = 0, milli = 0, place = 100;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	for (; isdigit((unsigned char)*s); s++) {
		if (whole > INT64_MAX / 1000 / 10 - 10)
			return -ERANGE;
		whole = whole * 10 + (*s - '0');
	}
	if (*s == '.') {
		s++;
		if (!isdigit((unsigned char)*s))
			return -EINVAL;
		for (; isdigit((unsigned char)*s); s++) {
			milli += (*s - '0') * place;
			place /= 10;
		}
	}
	*ret = whole * 1000 + milli;
	*ret_end = s;
	return 0;
}

/* factor of the suffix that end is, or -1 */
static int64_t units_factor(const char *end, const struct units_suffix *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcasecmp(end, table[i].text))
			return table[i].factor;
	}
	return -1;
}

static int units_parse_scaled(const char *s, const struct units_suffix *table, size_t n,
			      int64_t *ret)
{
	int64_t milli, factor;
	const char *end;
	int r;

	r = units_scan_milli(s, &milli, &end);
	if (r < 0)
		return r;
	factor = units_factor(end, table, n);
	if (factor <= 0)
		return -EINVAL;
	if (milli > INT64_MAX / factor)
		return -ERANGE;
	*ret = milli * factor / 1000;
	return 0;
}

#define UNITS_K ((int64_t)1 << 10)
#define UNITS_M ((int64_t)1 << 20)
#define UNITS_G ((int64_t)1 << 30)
#define UNITS_T ((int64_t)1 << 40)

int units_parse_size(const char *s, int64_t *ret_bytes, struct err *err)
{
	static const struct units_suffix table[] = {
		{ "", 1 },	    { "b", 1 },		{ "k", UNITS_K },   { "kb", UNITS_K },
		{ "kib", UNITS_K }, { "m", UNITS_M },	{ "mb", UNITS_M },  { "mib", UNITS_M },
		{ "g", UNITS_G },   { "gb", UNITS_G },	{ "gib", UNITS_G }, { "t", UNITS_T },
		{ "tb", UNITS_T },  { "tib", UNITS_T },
	};
	int64_t bytes = 0;
	int r = units_parse_scaled(s, table, ARRAY_SIZE(table), &bytes);

	if (r < 0)
		return err_set(err, r, "'%.64s' is not a size (examples: 512m, 2GiB, 65536)", s);
	*ret_bytes = bytes;
	return 0;
}

int units_parse_rate(const char *s, int64_t *ret_bits, struct err *err)
{
	static const struct units_suffix table[] = {
		{ "bit", 1 },
		{ "kbit", 1000 },
		{ "mbit", 1000000 },
		{ "gbit", 1000000000 },
	};
	int64_t bits = 0;
	int r = units_parse_scaled(s, table, ARRAY_SIZE(table), &bits);

	if (r < 0)
		return err_set(err, r,
			       "'%.64s' is not a rate (examples: 512kbit, 100mbit, 1.5gbit)", s);
	*ret_bits = bits;
	return 0;
}

int units_parse_milli(const char *s, int64_t *ret_milli, struct err *err)
{
	static const struct units_suffix table[] = { { "", 1000 } };
	int64_t milli = 0;
	int r = units_parse_scaled(s, table, ARRAY_SIZE(table), &milli);

	if (r < 0)
		return err_set(err, r, "'%.64s' is not a number (examples: 2, 1.5)", s);
	*ret_milli = milli;
	return 0;
}

int units_parse_duration(const char *s, int64_t *ret_ms, struct err *err)
{
	static const struct units_suffix table[] = {
		{ "", 1000 },	{ "ms", 1 },	  { "s", 1000 },
		{ "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
	};
	int64_t ms = 0;
	int r = units_parse_scaled(s, table, ARRAY_SIZE(table), &ms);

	if (r < 0)
		return err_set(err, r, "'%.64s' is not a duration (examples: 10, 90s, 5m)", s);
	*ret_ms = ms;
	return 0;
}

int units_parse_int(const char *s, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	int64_t value = 0;
	const char *p = s;

	while (isdigit((unsigned char)*p) && !__builtin_mul_overflow(value, 10, &value) &&
	       !__builtin_add_overflow(value, *p - '0', &value))
		p++;
	if (p == s || *p)
		return err_set(err, -EINVAL, "'%.64s' is not a whole number", s);
	if (value < min || value > max)
		return err_set(err, -ERANGE, "%s is not between %lld and %lld", s, (long long)min,
			       (long long)max);
	*ret = value;
	return 0;
}

/* Seconds east of UTC of "Z", "+02:00", "" (UTC); 0 on success. */
static int units_scan_zone(const char *s, long *ret_offset)
{
	struct tm tm = { 0 };
	const char *end = *s ? strptime(s, "%z", &tm) : s;

	if (!end || *end)
		return -EINVAL;
	*ret_offset = tm.tm_gmtoff;
	return 0;
}

static int units_scan_date(const char *s, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	const char *end = strptime(s, "%Y-%m-%d", &tm);
	int64_t ns = 0, place = 100000000, seconds;
	long offset;

	if (!end)
		return -EINVAL;
	if (*end == 'T' || *end == ' ') {
		end = strptime(end + 1, "%H:%M:%S", &tm);
		if (!end)
			return -EINVAL;
	}
	if (*end == '.') {
		for (end++; isdigit((unsigned char)*end); end++) {
			ns += (*end - '0') * place;
			place /= 10;
		}
	}
	if (units_scan_zone(end, &offset) < 0)
		return -EINVAL;
	seconds = (int64_t)timegm(&tm) - offset;
	/* 64 bits of nanoseconds reach from 1677 to 2262 */
	if (seconds > INT64_MAX / 1000000000 - 1 || seconds < INT64_MIN / 1000000000 + 1)
		return -ERANGE;
	*ret_ns = seconds * 1000000000 + ns;
	return 0;
}

int units_parse_time(const char *s, int64_t now_ns, int64_t *ret_ns, struct err *err)
{
	struct err ignored = ERR_INIT;
	int64_t value = 0;

	if (units_scan_date(s, ret_ns) == 0)
		return 0;
	if (strlen(s) >= 9 &&
	    units_parse_int(s, 0, INT64_MAX / 1000000000, &value, &ignored) == 0) {
		*ret_ns = value * 1000000000;
		return 0;
	}
	if (units_parse_duration(s, &value, &ignored) == 0 && value <= now_ns / 1000000) {
		*ret_ns = now_ns - value * 1000000;
		return 0;
	}
	return err_set(err, -EINVAL,
		       "'%.64s' is not a time (examples: 10m, 2026-01-31, 2026-01-31T10:00:00Z)",
		       s);
}

const char *units_format_size(int64_t bytes, char text[UNITS_TEXT_MAX])
{
	static const char suffix[] = " KMGTPE";
	double value = (double)bytes;
	int i = 0;

	if (bytes < 0) {
		snprintf(text, UNITS_TEXT_MAX, "-");
		return text;
	}
	while (value >= 999.5 && i < 6) {
		value /= 1024;
		i++;
	}
	if (!i)
		snprintf(text, UNITS_TEXT_MAX, "%lld", (long long)bytes);
	else
		snprintf(text, UNITS_TEXT_MAX, value < 9.95 ? "%.1f%c" : "%.0f%c", value,
			 suffix[i]);
	return text;
}

const char *units_format_age(int64_t ns, char text[UNITS_TEXT_MAX])
{
	int64_t s = ns < 0 ? 0 : ns / 1000000000;

	if (s < 120)
		snprintf(text, UNITS_TEXT_MAX, "%llds", (long long)s);
	else if (s < 7200)
		snprintf(text, UNITS_TEXT_MAX, "%lldm", (long long)(s / 60));
	else if (s < 172800)
		snprintf(text, UNITS_TEXT_MAX, "%lldh", (long long)(s / 3600));
	else
		snprintf(text, UNITS_TEXT_MAX, "%lldd", (long long)(s / 86400));
	return text;
}

/*
 * The date of a day counted from 1970-01-01 on, in the proleptic Gregorian calendar. gmtime_r() would read the
 * host's time zone for it. Years begin in March here, so that the day that not all have is their last.
 */
static void units_date(int64_t day, int64_t *ret_year, int64_t *ret_month, int64_t *ret_date)
{
	enum { DAYS_4 = 1461, DAYS_100 = 36524, DAYS_400 = 146097, DAYS_TO_1970 = 719468 };
	int64_t since = day + DAYS_TO_1970; /* 0000-03-01 */
	int64_t in_400 = since % DAYS_400;
	int64_t year =
		(in_400 - in_400 / (DAYS_4 - 1) + in_400 / DAYS_100 - in_400 / (DAYS_400 - 1)) /
		365;
	int64_t in_year = in_400 - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * in_year + 2) / 153; /* five months have 153 days */

	*ret_date = in_year - (153 * month + 2) / 5 + 1;
	*ret_month = month < 10 ? month + 3 : month - 9;
	*ret_year = year + since / DAYS_400 * 400 + (*ret_month <= 2);
}

const char *units_format_time(int64_t ns, char text[UNITS_TEXT_MAX])
{
	const int64_t day = INT64_C(86400) * 1000000000;
	int64_t days = ns / day - (ns % day < 0), in_day = ns - days * day;
	int64_t second = in_day / 1000000000, year, month, date;

	units_date(days, &year, &month, &date);
	snprintf(text, UNITS_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ",
		 (unsigned int)year % 10000, (unsigned int)month % 100, (unsigned int)date % 100,
		 (unsigned int)(second / 3600) % 100, (unsigned int)(second / 60 % 60),
		 (unsigned int)(second % 60), (unsigned int)(in_day % 1000000000));
	return text;
}

static int64_t units_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t units_now(void)
{
	return units_clock(CLOCK_REALTIME);
}

int64_t units_monotonic(void)
{
	return units_clock(CLOCK_MONOTONIC);
}
