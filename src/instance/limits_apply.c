// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Limits in a control group, fresh or in use. A controller or file that is missing is -EOPNOTSUPP, which is what a best
 * effort goes without.
 */
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "instance/limits-internal.h"
#include "proto/throttle.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define LIMITS_FILE_MAX 4096
#define LIMITS_ROUNDS	16
#define LIMITS_BFQ_MAX	1000 /* Documentation/block/bfq-iosched.rst */

static int limits_refuse_missing(const struct limits_row *row, struct err *err)
{
	return err_set(err, -EOPNOTSUPP,
		       "there is no cgroup controller '%s' for it here ('brig doctor' tells which "
		       "there are); go without by --best-effort",
		       cgroup_host_name(row->controller));
}

static int limits_refuse_file(const char *file, const char *text, int r, struct err *err)
{
	if (r == -ENOENT)
		return err_set(err, -EOPNOTSUPP,
			       "the kernel has no file %s for it; go without by --best-effort",
			       file);
	if (r == -ENODEV)
		return err_set(err, r, "%.100s is no whole disk that can be limited", text);
	return err_errno(err, r, "cannot write %.100s to %s", text, file);
}

static int limits_version(const struct limits_row *row, const struct limits_job *job,
			  struct err *err)
{
	int version = cgroup_version(job->cgroup, row->controller);

	return version > 0 ? version : limits_refuse_missing(row, err);
}

static int limits_write(const struct limits_row *row, const struct limits_job *job,
			const char *file, const char *text, struct err *err)
{
	int r = cgroup_write(job->cgroup, row->controller, file, text);

	return r < 0 ? limits_refuse_file(file, text, r, err) : 0;
}

int64_t limits_format_cpu_weight(const struct limits_job *job _unused_, int64_t value,
				 const char *file)
{
	int64_t shares = (value * 1024 + 50) / 100;

	if (strcmp(file, "cpu.shares") != 0)
		return value;
	return shares < 2 ? 2 : shares;
}

int64_t limits_format_io_weight(const struct limits_job *job _unused_, int64_t value,
				const char *file)
{
	return strcmp(file, "io.weight") != 0 && value > LIMITS_BFQ_MAX ? LIMITS_BFQ_MAX : value;
}

int64_t limits_format_high(const struct limits_job *job, int64_t value, const char *file _unused_)
{
	return value + job->overhead;
}

/* What a limit that is none stands for in a group that had one. */
static char *limits_none(const struct limits_row *row, int version)
{
	_cleanup_free_ char *text = NULL;

	if (row->none[version - 1])
		return mem_strdup(row->none[version - 1]);
	if (file_read(AT_FDCWD, row->otherwise, LIMITS_FILE_MAX, &text, NULL) < 0)
		return mem_strdup("0");
	text[strcspn(text, "\n")] = '\0';
	return take_ptr(text);
}

static char *limits_text(const struct limits_row *row, const struct limits_job *job,
			 const char *file)
{
	int on;

	if (row->value == &limits_sets)
		return limits_show(job->record, row);
	if (row->value == &limits_flag) {
		memcpy(&on, (const char *)job->record + row->offset, sizeof(on));
		return mem_printf("%d", on);
	}
	return mem_printf(
		"%jd",
		(intmax_t)(row->format ? row->format(job, *limits_int_at(row, job->record), file)
				       : *limits_int_at(row, job->record)));
}

int limits_apply_file(const struct limits_row *row, const struct limits_job *job, struct err *err)
{
	_cleanup_free_ char *shown = limits_show(job->record, row);
	int version = limits_version(row, job, err), r = -ENOENT;
	const char *file = NULL;

	if (version < 1)
		return version;
	if (!row->files[version - 1][0])
		return err_set(err, -EOPNOTSUPP,
			       "version %d of control groups, which this host has, cannot do that; "
			       "go without by --best-effort",
			       version);
	for (int other = 0; other < 2 && r == -ENOENT && row->files[version - 1][other]; other++) {
		_cleanup_free_ char *text = NULL;

		file = row->files[version - 1][other];
		text = strcmp(shown, "none") != 0 ? limits_text(row, job, file)
						  : limits_none(row, version);
		r = cgroup_write(job->cgroup, row->controller, file, text);
	}
	return r < 0 ? limits_refuse_file(file, shown, r, err) : 0;
}

int limits_apply_cpus(const struct limits_row *row, const struct limits_job *job, struct err *err)
{
	const struct cgroup_limits limits = { .cpus_milli = job->record->cpus_milli };
	int version = limits_version(row, job, err);

	if (version < 0)
		return version;
	if (limits.cpus_milli)
		return cgroup_set_limits(job->cgroup, &limits, err);
	return limits_write(row, job, version == 1 ? "cpu.cfs_quota_us" : "cpu.max",
			    version == 1 ? "-1" : "max", err);
}

/* --- memory --- */

static int64_t limits_read(const struct limits_job *job, const char *file)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = ERR_INIT;
	int64_t value = INT64_MAX;

	if (cgroup_read(job->cgroup, CGROUP_MEMORY, file, &text) < 0)
		return -1;
	(void)units_parse_int(text, 0, INT64_MAX, &value, &ignored);
	return value;
}

static int limits_refuse_use(int64_t limit, int64_t used, struct err *err)
{
	return err_set(err, -EBUSY,
		       "%jd KiB are less than the %jd KiB in use that cannot be reclaimed: end "
		       "something in it first, or give more",
		       (intmax_t)(limit >> 10), (intmax_t)(used >> 10));
}

/* Version 2 kills for a limit below what is in use, so that is brought down before. */
static int limits_reclaim(const struct limits_job *job, int64_t limit, struct err *err)
{
	int64_t used = limits_read(job, "memory.current"), before = INT64_MAX;

	for (int round = 0; round < LIMITS_ROUNDS && used > limit && used < before; round++) {
		char text[32];
		int r;

		before = used;
		snprintf(text, sizeof(text), "%jd", (intmax_t)(used - limit));
		r = cgroup_write(job->cgroup, CGROUP_MEMORY, "memory.reclaim", text);
		/* before 5.19: what is above `high` is reclaimed at once when that is written */
		if (r == -ENOENT) {
			snprintf(text, sizeof(text), "%jd", (intmax_t)limit);
			(void)cgroup_write(job->cgroup, CGROUP_MEMORY, "memory.high", text);
			snprintf(text, sizeof(text), "%jd", (intmax_t)job->before->memory_high);
			(void)cgroup_write(job->cgroup, CGROUP_MEMORY, "memory.high",
					   job->before->memory_high ? text : "max");
		}
		used = limits_read(job, "memory.current");
	}
	return used > limit ? limits_refuse_use(limit, used, err) : 0;
}

static int limits_write_bytes(const struct limits_row *row, const struct limits_job *job,
			      const char *file, int64_t bytes, const char *none, struct err *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%jd", (intmax_t)bytes);
	return limits_write(row, job, file, bytes < 0 ? none : text, err);
}

/* Kernels that do not account swap have no file for it, and no use to bound. */
static int limits_is_fine(const struct limits_job *job, int r, struct err *err)
{
	if (r != -EOPNOTSUPP || job->record->memory_swap > 0)
		return r;
	*err = ERR_INIT;
	return 0;
}

static int limits_memory_v2(const struct limits_row *row, const struct limits_job *job,
			    int64_t limit, int64_t both, struct err *err)
{
	int r = job->before && limit >= 0 ? limits_reclaim(job, limit, err) : 0;

	if (r == 0)
		r = limits_write_bytes(row, job, "memory.max", limit, "max", err);
	if (r == 0)
		r = limits_is_fine(job,
				   limits_write_bytes(row, job, "memory.swap.max",
						      both < 0 ? -1 : both - limit, "max", err),
				   err);
	return r;
}

static int limits_memory_alone(const struct limits_row *row, const struct limits_job *job,
			       int64_t limit, struct err *err)
{
	int64_t used;
	int r = limits_write_bytes(row, job, "memory.limit_in_bytes", limit, "-1", err);

	if (r != -EBUSY)
		return r;
	used = limits_read(job, "memory.usage_in_bytes");
	*err = ERR_INIT;
	return limits_refuse_use(limit, used, err);
}

/* The kernel keeps the limit at or below that of both together, at each step. */
static int limits_memory_v1(const struct limits_row *row, const struct limits_job *job,
			    int64_t limit, int64_t both, struct err *err)
{
	int64_t now = limits_read(job, "memory.limit_in_bytes");
	int swap_first = job->before && (both < 0 || both >= now), r = 0;

	if (swap_first)
		r = limits_is_fine(job,
				   limits_write_bytes(row, job, "memory.memsw.limit_in_bytes", both,
						      "-1", err),
				   err);
	if (r == 0)
		r = limits_memory_alone(row, job, limit, err);
	if (r == 0 && !swap_first)
		r = limits_is_fine(job,
				   limits_write_bytes(row, job, "memory.memsw.limit_in_bytes", both,
						      "-1", err),
				   err);
	return r;
}

/* Of a VM the group has room for what the machine was started with, whatever it has given back since. */
int limits_apply_memory(const struct limits_row *row, const struct limits_job *job, struct err *err)
{
	const struct instance *record = job->record;
	int64_t memory = record->kind == INSTANCE_VM ? job->memory : record->memory;
	int64_t limit = memory ? memory + job->overhead : -1, both = limit;
	int version = limits_version(row, job, err);

	if (version < 0)
		return version;
	if (record->memory_swap > memory)
		both = record->memory_swap + job->overhead;
	else if (record->memory_swap < 0)
		both = -1;
	return version == 1 ? limits_memory_v1(row, job, limit, both, err)
			    : limits_memory_v2(row, job, limit, both, err);
}

/* --- rates --- */

/* The disk that a partition is of, for the kernel limits whole ones. */
static int limits_whole_disk(dev_t *device, struct err *err)
{
	_cleanup_free_ char *folder =
		mem_printf("/sys/dev/block/%u:%u", major(*device), minor(*device));
	_cleanup_free_ char *partition = mem_printf("%s/partition", folder);
	_cleanup_free_ char *parent = mem_printf("%s/../dev", folder), *text = NULL;
	struct err ignored = ERR_INIT;
	int64_t numbers[2];
	char *colon;

	if (access(folder, F_OK) < 0)
		return err_set(err, -ENODEV,
			       "brig's files are on no block device of their own: name one, as "
			       "/dev/sda:RATE");
	if (access(partition, F_OK) < 0)
		return 0;
	if (file_read(AT_FDCWD, parent, LIMITS_FILE_MAX, &text, NULL) < 0)
		return err_set(err, -ENODEV, "cannot tell the disk of a partition");
	text[strcspn(text, "\n")] = '\0';
	colon = text + strcspn(text, ":");
	if (!*colon)
		return err_set(err, -ENODEV, "cannot tell the disk of a partition");
	*colon = '\0';
	if (units_parse_int(text, 0, UINT32_MAX, &numbers[0], &ignored) < 0 ||
	    units_parse_int(colon + 1, 0, UINT32_MAX, &numbers[1], &ignored) < 0)
		return err_set(err, -ENODEV, "cannot tell the disk of a partition");
	*device = makedev((unsigned int)numbers[0], (unsigned int)numbers[1]);
	return 0;
}

static int limits_find_disk(const struct limits_job *job, const char *path, dev_t *ret,
			    struct err *err)
{
	struct stat st;

	if (stat(path ? path : job->state_dir, &st) < 0)
		return err_errno(err, -errno, "%.200s", path ? path : job->state_dir);
	if (path && !S_ISBLK(st.st_mode))
		return err_set(err, -ENOTBLK, "%.200s is no block device", path);
	*ret = path ? st.st_rdev : st.st_dev;
	return limits_whole_disk(ret, err);
}

/* rate 0: none */
static int limits_apply_one_rate(const struct limits_row *row, const struct limits_job *job,
				 const char *text, int ends, struct err *err)
{
	_cleanup_free_ char *path = NULL, *line = NULL, *whole = NULL;
	int version = limits_version(row, job, err), r;
	int64_t rate = 0;
	dev_t disk = 0;

	if (version < 0)
		return version;
	r = throttle_parse(text, row->value == &limits_bytes, &path, &rate, err);
	/* each of a machine's own disks is limited by the machine */
	if (r == 0 && !path && job->record->kind == INSTANCE_VM)
		return 0;
	if (r == 0)
		r = limits_find_disk(job, path, &disk, err);
	if (r < 0)
		return r;
	line = mem_printf("%u:%u %s%s", major(disk), minor(disk), version == 2 ? row->word : "",
			  version == 2 ? "=" : "");
	if (ends) {
		_cleanup_free_ char *none = mem_printf("%s%s", line, version == 2 ? "max" : "0");

		return limits_write(row, job, row->files[version - 1][0], none, err);
	}
	text = whole = mem_printf("%s%jd", line, (intmax_t)rate);
	return limits_write(row, job, row->files[version - 1][0], text, err);
}

int limits_apply_rate(const struct limits_row *row, const struct limits_job *job, struct err *err)
{
	char *const *now = limits_list_at(row, job->record);
	char *const *before = job->before ? limits_list_at(row, job->before) : NULL;
	int r = 0;

	strv_for_each(text, before) {
		if (r == 0)
			r = limits_apply_one_rate(row, job, *text, 1, err);
	}
	strv_for_each(text, now) {
		if (r == 0)
			r = limits_apply_one_rate(row, job, *text, 0, err);
	}
	return r;
}

/* --- huge pages --- */

static int limits_apply_page(const struct limits_row *row, const struct limits_job *job,
			     const char *text, int ends, struct err *err)
{
	_cleanup_free_ char *file = NULL;
	int version = limits_version(row, job, err);
	int64_t size = 0;
	char name[16];

	if (version < 0)
		return version;
	if (limits_parse_pages(text, name, &size, err) < 0)
		return err->code;
	file = mem_printf("hugetlb.%s.%s", name, version == 1 ? "limit_in_bytes" : "max");
	return limits_write_bytes(row, job, file, ends ? -1 : size, version == 1 ? "-1" : "max",
				  err);
}

int limits_apply_pages(const struct limits_row *row, const struct limits_job *job, struct err *err)
{
	char *const *before = job->before ? job->before->hugetlb : NULL;
	int r = 0;

	strv_for_each(text, before) {
		if (r == 0)
			r = limits_apply_page(row, job, *text, 1, err);
	}
	strv_for_each(text, job->record->hugetlb) {
		if (r == 0)
			r = limits_apply_page(row, job, *text, 0, err);
	}
	return r;
}

/* Of those that are there: a start gives it to the first one, and others have it from there. */
int limits_apply_score(const struct limits_row *row _unused_, const struct limits_job *job,
		       struct err *err)
{
	_cleanup_free_ pid_t *pids = NULL;
	_cleanup_free_ char *score = mem_printf("%jd", (intmax_t)job->record->oom_score_adj);
	size_t n = 0;

	if (!job->before || !job->cgroup)
		return 0;
	if (cgroup_pids(job->cgroup, &pids, &n) < 0)
		return err_set(err, -ESRCH, "its processes cannot be told");
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *file = mem_printf("/proc/%d/oom_score_adj", pids[i]);
		int r = file_write_value(AT_FDCWD, file, score);

		if (r == -EACCES || r == -EPERM)
			return err_errno(err, r, "cannot set it to %s", score);
	}
	return 0;
}

int limits_apply_later(const struct limits_row *row _unused_, const struct limits_job *job _unused_,
		       struct err *err _unused_)
{
	return 0;
}
