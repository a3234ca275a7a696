/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_LIMITS_H
#define INSTANCE_LIMITS_H

#include "base/buf.h"
#include "proto/instance.h"
#include "sys/cgroup.h"

/* Limits of instances, whatever their kind and whichever version of control groups the host has: limit_table.h's rows. */
struct limits_row;

/* What is known to hold them: a member of the record, as a user writes it. */
struct limits_value {
	/* add: to what a list has already. */
	int (*set)(const struct limits_row *row, struct instance *record, const char *value,
		   int add, struct err *err);
	/* As set() takes it; nothing where there is no limit. */
	void (*show)(const struct limits_row *row, const struct instance *record, struct buf *out);
};

/* What is to hold: the rows that differ between two records; before NULL: all that are set, in a fresh group. */
struct limits_job {
	const struct instance *record, *before;
	struct cgroup *cgroup; /* NULL: there is none, and missing says why */
	const char *missing;
	const char *state_dir; /* of the instance */
	int64_t memory,
		overhead; /* VM: what it was started with, and what its processes take beside that */
};

struct limits_row {
	const char *name, *metavar, *help;
	const char *means[2]; /* by enum instance_kind; NULL: nothing, and why says so */
	const char *why;
	int is_alias; /* the member is another row's */
	const struct limits_value *value;
	size_t offset; /* of the member of struct instance */
	int64_t min, max;
	const char *range;
	unsigned int controller; /* that it needs, CGROUP_* */
	int within;		 /* of a VM the guest sees to it, and not the group */
	const char *files[2][2]; /* by version; a second one is used where the first is not there */
	const char *none[2];	 /* what asks for no limit there; NULL: what stands in */
	const char *otherwise;
	const char *word; /* of a rate, in version 2 */
	/* What is written to the file; NULL: the number or text of the record. */
	int64_t (*format)(const struct limits_job *job, int64_t value, const char *file);
	/* In place of one value in one file. -EOPNOTSUPP: the host cannot. */
	int (*apply)(const struct limits_row *row, const struct limits_job *job, struct err *err);
};

extern const struct limits_row limits_table[]; /* ended by a NULL name */

/* The row of that name; NULL. */
const struct limits_row *limits_find(const char *name);
/* "none" is no limit. -EOPNOTSUPP: the record's kind has no such limit. */
int limits_set(struct instance *record, const struct limits_row *row, const char *value, int add,
	       struct err *err);
/* As limits_set() takes it, "none" without one; caller frees. Of net-rate it is one for each network. */
char *limits_show(const struct instance *record, const struct limits_row *row);
int limits_differ(const struct limits_row *row, const struct instance *a, const struct instance *b);
/* What one limit says about another. */
int limits_check(const struct instance *record, struct err *err);

/* Whether a record, and what is pending in it, could have been made by limits_set(). What it names need not be there. */
int limits_validate(const struct instance *record, struct err *err);

/* CGROUP_* that they need. */
unsigned int limits_controllers(const struct instance *record);
/*
 * Whether this host has what they need, as far as that can be told without a group. With best_effort what is missing
 * is added to *ret_unmet, a line each, else it is an error. Of root's instances.
 */
int limits_check_host(const struct instance *record, char ***ret_unmet, struct err *err);
/*
 * Makes them hold. With best_effort what the host cannot do is added to *ret_unmet. What was there before an error
 * stays: limits_enforce() with the records exchanged undoes it. Less memory than a container uses is -EBUSY, once what can be
 * reclaimed was.
 */
int limits_enforce(const struct limits_job *job, char ***ret_unmet, struct err *err);

#endif
