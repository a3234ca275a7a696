/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Values as users write and read them. The parsers take the whole string or fail with -EINVAL. */

/* "512m", "2GiB", "1.5g", "4096": bytes; suffixes b k m g t with or without "iB"/"B" are binary. */
int units_parse_size(const char *s, int64_t *ret_bytes, struct err *err);
/* "64kbit", "1.5gbit", "8000bit": bits a second; decimal, and never without a unit. */
int units_parse_rate(const char *s, int64_t *ret_bits, struct err *err);
/* "10", "1.5": thousandths. */
int units_parse_milli(const char *s, int64_t *ret_milli, struct err *err);
/* "90", "90s", "5m", "2h", "1d", "500ms": milliseconds. */
int units_parse_duration(const char *s, int64_t *ret_ms, struct err *err);
/* A whole decimal number in [min, max]; no sign, blank or other base is accepted. */
int units_parse_int(const char *s, int64_t min, int64_t max, int64_t *ret, struct err *err);
/* RFC 3339 ("2026-01-31T10:00:00Z", offsets, or a date alone), seconds since the epoch, or a
 * duration ("10m") that is taken as before now_ns: nanoseconds since the epoch. */
int units_parse_time(const char *s, int64_t now_ns, int64_t *ret_ns, struct err *err);

#define UNITS_TEXT_MAX 40

/* "0", "512K", "1.5G": at most 3 digits; into text, which is returned. */
const char *units_format_size(int64_t bytes, char text[UNITS_TEXT_MAX]);
/* "12s", "3m", "2h", "5d" */
const char *units_format_age(int64_t ns, char text[UNITS_TEXT_MAX]);
/* RFC 3339, UTC, with nanoseconds */
const char *units_format_time(int64_t ns, char text[UNITS_TEXT_MAX]);

/* CLOCK_REALTIME and CLOCK_MONOTONIC in nanoseconds */
int64_t units_now(void);
int64_t units_monotonic(void);

#endif
