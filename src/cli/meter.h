/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_METER_H
#define CLI_METER_H

#include "base/buf.h"
#include "base/json.h"
#include "instance/stats.h"

/* What `stats` and `top` show: rows of instances with their figures, read again and again. */
struct meter_row {
	struct instance_view view;
	struct instance_stats stats;
	double cpu; /* per cent of one CPU; negative: unknown */
};

struct meter {
	const struct instance_home *home;
	char *const *names; /* NULL: all there are */
	int all;	    /* those too that do not run */
	struct meter_row *rows;
	size_t n, size;
};

enum meter_cpu {
	METER_CPU_SINCE_START, /* of the whole run */
	METER_CPU_SINCE_LAST,  /* since the last reading; of who was not there then it is unknown */
};

/* Reads them all. -ENOENT if one of names is not there, or no longer: only at the first reading. */
int meter_read(struct meter *meter, enum meter_cpu cpu, struct err *err);
void meter_release(struct meter *meter);
#define _cleanup_meter_ _cleanup_(meter_release)

/* The key sorts by its column, the largest first, or by name. 0: there is no such key. */
#define METER_BY_NAME 'a'
#define METER_BY_CPU  'c'
int meter_sort(struct meter *meter, char key);
/* In the opposite order. */
void meter_turn(struct meter *meter);
/* "c CPU, m memory..." */
extern const char meter_keys[];
/* What the key sorts by, or NULL. */
const char *meter_key_name(char key);

void meter_format(const struct meter *meter, int with_header, struct buf *out);
/* An array with an object for each; docs/formats.md has the keys. Caller frees. */
struct json *meter_json(const struct meter *meter);

#endif
