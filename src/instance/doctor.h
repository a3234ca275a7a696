/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_DOCTOR_H
#define INSTANCE_DOCTOR_H

#include <stddef.h>

#include "instance/instance.h"

/*
 * What this host has of what brig needs, by trying it. A check is one row of a table: what it is called,
 * how it is tried, what a lack costs and how to mend it. Nothing on the host is changed.
 */
enum doctor_status {
	DOCTOR_OK,
	DOCTOR_WARN, /* something is lost */
	DOCTOR_FAIL, /* the kinds in needed_by cannot run */
};

extern const char *const doctor_status_names[]; /* "ok", "warn", "fail" */

#define DOCTOR_CONTAINER (1U << 0)
#define DOCTOR_VM	 (1U << 1)
#define DOCTOR_BOTH	 (DOCTOR_CONTAINER | DOCTOR_VM)

#define DOCTOR_DETAIL_MAX 160

enum doctor_of { DOCTOR_OF_ALL, DOCTOR_OF_ROOT, DOCTOR_OF_USERS };

struct doctor_check {
	const char *id; /* stable, for scripts */
	const char *title;
	unsigned int needed_by; /* DOCTOR_CONTAINER, DOCTOR_VM */
	int of;			/* enum doctor_of: whose instances it matters to */
	/* Says in detail what was found; returns enum doctor_status. */
	int (*run)(const struct instance_home *home, const struct doctor_check *check,
		   char detail[DOCTOR_DETAIL_MAX]);
	const char *arg; /* for run(): which tool, which file system... */
	const char *cost, *fix;
};

struct doctor_finding {
	const struct doctor_check *check;
	int status; /* enum doctor_status */
	char detail[DOCTOR_DETAIL_MAX];
};

/* For checks: what was found. */
_printf_(2, 3) void doctor_say(char detail[DOCTOR_DETAIL_MAX], const char *fmt, ...);

/*
 * Runs every check that matters to the caller, in the order of the table. The findings are the caller's to free. Returns the kinds
 * that can run here: bits of DOCTOR_CONTAINER and DOCTOR_VM.
 */
unsigned int doctor_run(const struct instance_home *home, struct doctor_finding **ret,
			size_t *ret_n);

#endif
