// SPDX-License-Identifier: GPL-2.0-or-later
/* Limits of what the keeper runs: at its start, as its driver says, and while it runs. */
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "instance/keeper-internal.h"

#include <fcntl.h>
#include <string.h>

#define KEEPER_LIMITS_END_MS 5000

static void keeper_limits_job(const struct keeper *keeper, struct cgroup *cgroup,
			      struct limits_job *ret)
{
	*ret = (struct limits_job){ .record = &keeper->record,
				    .cgroup = cgroup,
				    .state_dir = keeper->state_dir,
				    .memory = keeper->limits.memory,
				    .overhead = keeper->limits.overhead };
}

int keeper_limits_begin(struct keeper *keeper, struct err *err)
{
	keeper->limits = (struct keeper_limits){ .memory = keeper->record.memory,
						 .vcpus = instance_vcpus(&keeper->record) };
	keeper->run.unmet = strv_free(keeper->run.unmet);
	keeper->host.controllers = limits_controllers(&keeper->record);
	return limits_check(&keeper->record, err);
}

int keeper_limits_set(void *ctx, int64_t overhead, int has_group, const char *missing,
		      struct err *err)
{
	struct keeper *keeper = ctx;
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	struct limits_job job;
	int r = 0;

	keeper->limits.overhead = overhead;
	if (!keeper->host.controllers)
		return 0;
	keeper->run.unmet = strv_free(keeper->run.unmet);
	if (has_group)
		r = cgroup_open(keeper->run.cgroup, &cgroup);
	if (r < 0)
		return err_errno(err, r, "cannot open the cgroup %s", keeper->run.cgroup);
	keeper_limits_job(keeper, cgroup, &job);
	job.missing = missing;
	return limits_enforce(&job, &keeper->run.unmet, err);
}

/* A container's first process does that itself. */
void keeper_limits_started(struct keeper *keeper)
{
	_cleanup_free_ char *file = NULL, *score = NULL;

	if (keeper->record.kind != INSTANCE_VM || !keeper->record.oom_score_adj)
		return;
	file = mem_printf("/proc/%jd/oom_score_adj", (intmax_t)keeper->run.pid);
	score = mem_printf("%jd", (intmax_t)keeper->record.oom_score_adj);
	(void)file_write_value(AT_FDCWD, file, score);
}

/* --- while it runs --- */

static int keeper_limits_is_rate(const struct limits_row *row)
{
	return row->offset == offsetof(struct instance, networks);
}

/* Why not before the next start; NULL: at once. */
static const char *keeper_limits_waits(const struct keeper *keeper, const struct limits_row *row,
				       const struct instance *after)
{
	int vm = after->kind == INSTANCE_VM;

	if (keeper_limits_is_rate(row))
		return keeper->attach ? NULL : "it has no network of brig's";
	if (!row->controller && !row->apply)
		return "it is set up at a start";
	if (vm && after->memory > keeper->limits.memory)
		return "a machine gets no more memory than it was started with";
	if (vm && instance_vcpus(after) > keeper->limits.vcpus)
		return "a machine gets no more processors than it was started with";
	return NULL;
}

static void keeper_limits_forget(struct instance *record, const struct limits_row *row)
{
	_cleanup_strv_ char **rest = NULL;

	strv_for_each(text, record->pending) {
		size_t len = strcspn(*text, "=");
		_cleanup_free_ char *name = mem_strndup(*text, len);
		const struct limits_row *other = limits_find(name);

		if (!other || other->offset != row->offset)
			strv_add(&rest, *text);
	}
	strv_free(record->pending);
	record->pending = take_ptr(rest);
}

/* What is set anew is met, until it is not. */
static void keeper_limits_retry(struct keeper *keeper, const struct limits_row *row)
{
	_cleanup_strv_ char **rest = NULL;
	size_t len = strlen(row->name);

	strv_for_each(text, keeper->run.unmet) {
		if (strncmp(*text, row->name, len) != 0 || (*text)[len] != ':')
			strv_add(&rest, *text);
	}
	strv_free(keeper->run.unmet);
	keeper->run.unmet = take_ptr(rest);
}

static int keeper_limits_apply(struct keeper *keeper, const struct instance *before,
			       struct err *err)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	struct limits_job job;
	int r = 0;

	keeper->host.controllers = limits_controllers(&keeper->record);
	if (keeper->run.cgroup)
		r = cgroup_extend(keeper->run.cgroup,
				  keeper->host.controllers | limits_controllers(before), &cgroup,
				  err);
	if (r < 0)
		return r;
	keeper->limits.has_more = 1;
	keeper_limits_job(keeper, cgroup, &job);
	job.before = before;
	return limits_enforce(&job, &keeper->run.unmet, err);
}

/* What the engine keeps itself is last, since that cannot fail once it was asked for. */
static int keeper_limits_hold(struct keeper *keeper, const struct instance *before, struct err *err)
{
	int r = keeper->driver ? keeper_limits_apply(keeper, before, err) : 0;

	if (r == 0 && keeper->attach)
		r = attach_limit(keeper->attach, keeper->record.networks, err);
	if (r == 0 && keeper->driver && keeper->ops->tune)
		r = keeper->ops->tune(keeper->driver, err);
	keeper_save_run(keeper);
	return r;
}

/* Each network's own rate is nothing that one value says. */
static int keeper_limits_restore(struct instance *record, const struct limits_row *row,
				 const struct instance *before, struct err *err)
{
	_cleanup_free_ char *value = limits_show(before, row);

	if (!keeper_limits_is_rate(row))
		return limits_set(record, row, value, 0, err);
	strv_free(record->networks);
	record->networks = strv_dup(before->networks);
	return 0;
}

static void keeper_limits_undo(struct keeper *keeper, const struct limits_row *row,
			       const struct instance *before)
{
	_cleanup_instance_ struct instance failed = { 0 };
	struct err ignored = ERR_INIT;

	if (instance_copy(&keeper->record, &failed, &ignored) < 0 ||
	    keeper_limits_restore(&keeper->record, row, before, &ignored) < 0)
		return;
	if (keeper->driver)
		(void)keeper_limits_apply(keeper, &failed, &ignored);
	if (keeper->attach)
		(void)attach_limit(keeper->attach, keeper->record.networks, &ignored);
}

int keeper_limits_change(struct keeper *keeper, const struct limits_row *row, const char *value,
			 struct err *err)
{
	_cleanup_instance_ struct instance before = { 0 }, after = { 0 };
	struct instance *record = &keeper->record;
	int r = instance_copy(record, &before, err);

	if (r == 0)
		r = instance_copy(record, &after, err);
	if (r == 0)
		r = limits_set(&after, row, value, 0, err);
	if (r == 0)
		r = limits_check(&after, err);
	if (r < 0)
		return err_wrap(err, "%s", row->name);
	if (keeper->driver && keeper_limits_waits(keeper, row, &after)) {
		keeper_limits_forget(record, row);
		strv_add_printf(&record->pending, "%s=%s", row->name, value);
		return 0;
	}
	(void)limits_set(record, row, value, 0, err);
	keeper_limits_retry(keeper, row);
	r = keeper_limits_hold(keeper, &before, err);
	if (r < 0)
		keeper_limits_undo(keeper, row, &before);
	else
		keeper_limits_forget(record, row);
	return r;
}

void keeper_limits_ended(struct keeper *keeper)
{
	struct err ignored = ERR_INIT;

	/* the driver has removed the group where it had it from the start */
	if (keeper->limits.has_more && keeper->run.cgroup)
		(void)cgroup_remove(keeper->run.cgroup, KEEPER_LIMITS_END_MS, &ignored);
}
