// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/limits.h"
#include "base/mem.h"
#include "instance/limit_table.h"
#include "instance/limits-internal.h"

#include <string.h>

/* The words of the table. */
#define MEMBER(member_)	     .offset = offsetof(struct instance, member_)
#define SIZE(member_)	     .value = &limits_size, MEMBER(member_)
#define CPUS(member_)	     .value = &limits_cpus, MEMBER(member_)
#define NUMBER(member_)	     .value = &limits_number, MEMBER(member_)
#define FLAG(member_)	     .value = &limits_flag, MEMBER(member_)
#define SETS(member_)	     .value = &limits_sets, MEMBER(member_)
#define RANGE(min_, max_, t) .min = (min_), .max = (max_), .range = (t)
#define CONTAINER(text)	     .means[INSTANCE_CONTAINER] = (text)
#define VM(text)	     .means[INSTANCE_VM] = (text)
#define IN(controller_)	     .controller = (controller_)
#define V1(file, none_)	     .files[0][0] = (file), .none[0] = (none_)
#define V2(file, none_)	     .files[1][0] = (file), .none[1] = (none_)
#define OTHER_V1(file)	     .files[0][1] = (file)
#define OTHER_V2(file)	     .files[1][1] = (file)
#define THROTTLE(file, word_)                                                            \
	V1("blkio.throttle." file "_device", NULL), V2("io.max", NULL), .word = (word_), \
									.apply = limits_apply_rate

#define LIMITS_ROW(name_, letter_, metavar_, help_, ...) \
	{ .name = (name_), .metavar = (metavar_), .help = (help_), __VA_ARGS__ },
#define LIMITS_OWN(name_, type_, member_, metavar_, complete_, help_, ...) \
	{ .name = (name_), .metavar = (metavar_), .help = (help_), __VA_ARGS__ },

const struct limits_row limits_table[] = { LIMIT_TABLE(LIMITS_ROW, LIMITS_OWN){ .name = NULL } };

const struct limits_row *limits_find(const char *name)
{
	for (const struct limits_row *row = limits_table; row->name; row++) {
		if (!strcmp(row->name, name))
			return row;
	}
	return NULL;
}

int limits_set(struct instance *record, const struct limits_row *row, const char *value, int add,
	       struct err *err)
{
	if (!row->means[record->kind] && strcmp(value, "none") != 0)
		return err_set(err, -EOPNOTSUPP, "%s", row->why);
	return row->value->set(row, record, value, add, err);
}

char *limits_show(const struct instance *record, const struct limits_row *row)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	row->value->show(row, record, &text);
	return mem_strdup(text.len ? text.data : "none");
}

int limits_differ(const struct limits_row *row, const struct instance *a, const struct instance *b)
{
	_cleanup_free_ char *ours = limits_show(a, row);
	_cleanup_free_ char *theirs = limits_show(b, row);

	return strcmp(ours, theirs) != 0;
}

static int limits_is_set(const struct limits_row *row, const struct instance *record)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	row->value->show(row, record, &text);
	return text.len > 0;
}

int limits_check(const struct instance *record, struct err *err)
{
	int64_t swap = record->memory_swap;

	if (swap && !record->memory && record->kind == INSTANCE_CONTAINER)
		return err_set(err, -EINVAL,
			       "memory-swap is of memory and swap together: give it a memory limit "
			       "too");
	if (swap > 0 && record->memory && swap < record->memory)
		return err_set(err, -EINVAL,
			       "memory-swap is of memory and swap together, and less than memory");
	return 0;
}

static int limits_validate_pending(const struct instance *record, struct err *err)
{
	_cleanup_instance_ struct instance scratch = { 0 };
	int r = instance_copy(record, &scratch, err);

	strv_for_each(assignment, record->pending) {
		size_t len = strcspn(*assignment, "=");
		_cleanup_free_ char *name = mem_strndup(*assignment, len);
		const struct limits_row *row = limits_find(name);

		if (!(*assignment)[len] || !row)
			return err_set(err, -EINVAL, "'%.64s' is no limit", *assignment);
		if (r == 0 && row->value != &limits_devices)
			r = limits_set(&scratch, row, *assignment + len + 1, 0, err);
	}
	return r;
}

int limits_validate(const struct instance *record, struct err *err)
{
	_cleanup_instance_ struct instance scratch = { 0 };
	int r = instance_copy(record, &scratch, err);

	for (const struct limits_row *row = limits_table; row->name && r == 0; row++) {
		_cleanup_free_ char *value = limits_show(record, row);

		if (row->is_alias || row->value == &limits_devices ||
		    row->value == &limits_net_rate || !strcmp(value, "none"))
			continue;
		r = limits_set(&scratch, row, value, 0, err);
		if (r < 0)
			r = err_wrap(err, "%s", row->name);
	}
	if (r == 0)
		r = limits_check(record, err);
	return r < 0 ? r : limits_validate_pending(record, err);
}

static int limits_is_of_group(const struct limits_row *row, const struct instance *record)
{
	return row->controller && !row->is_alias && row->means[record->kind] &&
	       !(row->within && record->kind == INSTANCE_VM);
}

/* A machine keeps these by itself; the group around it is a second bound. */
static int limits_is_kept_anyway(const struct limits_row *row, const struct instance *record)
{
	return record->kind == INSTANCE_VM &&
	       (row->offset == offsetof(struct instance, memory) ||
		(row->offset == offsetof(struct instance, cpus_milli) &&
		 record->cpus_milli % 1000 == 0));
}

unsigned int limits_controllers(const struct instance *record)
{
	unsigned int all = 0;

	for (const struct limits_row *row = limits_table; row->name; row++) {
		if (limits_is_of_group(row, record) && limits_is_set(row, record))
			all |= row->controller;
	}
	return all;
}

static int limits_check_row(const struct limits_row *row, const struct instance *record,
			    struct err *err)
{
	int version = cgroup_host_version(row->controller);

	if (limits_is_kept_anyway(row, record))
		return 0;
	if (version <= 0)
		return err_set(
			err, -EOPNOTSUPP,
			"%s: this host has no cgroup controller '%s': have the kernel enable "
			"it ('brig doctor' tells which there are), or go without by "
			"--best-effort",
			row->name, cgroup_host_name(row->controller));
	if ((row->files[0][0] || row->files[1][0]) && !row->files[version - 1][0])
		return err_set(
			err, -EOPNOTSUPP,
			"%s: takes version %d of control groups, and this host has version "
			"%d: boot it with systemd.unified_cgroup_hierarchy=%d, or go without "
			"by --best-effort",
			row->name, 3 - version, version, version == 1);
	return 0;
}

int limits_check_host(const struct instance *record, char ***ret_unmet, struct err *err)
{
	for (const struct limits_row *row = limits_table; row->name; row++) {
		struct err why = ERR_INIT;

		if (!limits_is_of_group(row, record) || !limits_is_set(row, record) ||
		    limits_check_row(row, record, &why) == 0)
			continue;
		if (!record->best_effort)
			return err_set(err, why.code, "%s", why.msg);
		strv_add(ret_unmet, why.msg);
	}
	return 0;
}

static int limits_is_due(const struct limits_row *row, const struct limits_job *job)
{
	if (row->is_alias || !row->means[job->record->kind] || (row->within && job->record->kind))
		return 0;
	if (!row->controller && !row->apply)
		return 0;
	return job->before ? limits_differ(row, job->record, job->before)
			   : limits_is_set(row, job->record);
}

static int limits_apply_row(const struct limits_row *row, const struct limits_job *job,
			    struct err *err)
{
	if (row->controller && !job->cgroup)
		return err_set(err, -EOPNOTSUPP,
			       "limits need a control group, and user %u can make none here%s%s",
			       geteuid(), job->missing ? ": " : "",
			       job->missing ? job->missing : "");
	return row->apply ? row->apply(row, job, err) : limits_apply_file(row, job, err);
}

int limits_enforce(const struct limits_job *job, char ***ret_unmet, struct err *err)
{
	for (const struct limits_row *row = limits_table; row->name; row++) {
		struct err why = ERR_INIT;

		if (!limits_is_due(row, job) || limits_apply_row(row, job, &why) == 0)
			continue;
		if (why.code == -EOPNOTSUPP && limits_is_kept_anyway(row, job->record))
			continue;
		if (why.code != -EOPNOTSUPP || !job->record->best_effort)
			return err_set(err, why.code, "%s: %s", row->name, why.msg);
		strv_add_printf(ret_unmet, "%s: %s", row->name, why.msg);
	}
	return 0;
}
