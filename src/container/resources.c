// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: resources_rows has a row for each limit: the member, the controller, its files, and how a value is
 * written there. A row takes a number or a string, or each element of a list; what has an order to keep, or needs what
 * stands in the group already, has a function instead, made of such rows.
 */
#include "container/resources.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "container/dev.h"

#include <string.h>

#define RESOURCES_TEXT_MAX 128
#define RESOURCES_FILE_MAX 128
#define RESOURCES_PAGE_MAX 65536

enum resources_kind {
	RESOURCES_INT,	  /* int64_t */
	RESOURCES_UINT,	  /* uint64_t */
	RESOURCES_BOOL,	  /* int */
	RESOURCES_STRING, /* char * */
	RESOURCES_LIST,	  /* of structs */
	RESOURCES_DICT,	  /* of structs that begin with a char *, their name */
};

/* Where a value goes: a version's file, or the other one that some kernels have for it. */
struct resources_place {
	int version;
	int other;
};

struct resources_line {
	char text[RESOURCES_TEXT_MAX];
	const char *string; /* in place of text */
	const char *name;   /* in place of the star in the file's name */
	int nothing;	    /* asks for no limit */
	int skip;	    /* leaves things as they are */
};

struct resources_row {
	const char *member; /* below linux.resources */
	unsigned int controller;
	enum resources_kind kind;
	const char *files[2][2]; /* by version; a second one is used where the first is not there */
	size_t offset, present;	 /* in struct config_resources; of a list, present is its length */
	size_t size;		 /* of an element */
	void (*format)(const struct resources_row *row, const void *value,
		       struct resources_place place,
		       struct resources_line *line); /* NULL: the number or string itself */
	int64_t none;	  /* the value that asks for no limit, besides -1 */
	int keep_zero;	  /* 0 is the same as absent */
	int lenient;	  /* limits nothing alone, so it is fine where it has no place */
	const char *word; /* before the value, in version 2 */
	/* for what is not one value in one file; the rest of the row is unused */
	int (*apply)(const struct cgroup *cgroup, const struct config_resources *resources,
		     struct err *err);
};

/* log2(n), n at least 1, without the C library's: that brings all its variants for all processors. */
static double resources_log2(uint64_t n)
{
	int whole = 63 - __builtin_clzll(n);
	double x = (double)n / (double)(1ULL << whole), result = whole, bit = 0.5;

	for (int i = 0; i < 40; i++) {
		x *= x;
		if (x >= 2) {
			x /= 2;
			result += bit;
		}
		bit /= 2;
	}
	return result;
}

#define RESOURCES_SHARES_MIN 2
#define RESOURCES_SHARES_MAX (1 << 18)
#define RESOURCES_WEIGHT_MAX 10000

uint64_t resources_cpu_weight(uint64_t shares)
{
	const double log2_10 = 3.321928094887362;
	uint64_t low = 1, high = RESOURCES_WEIGHT_MAX;
	double l, wanted;

	if (shares <= RESOURCES_SHARES_MIN)
		return low;
	if (shares >= RESOURCES_SHARES_MAX)
		return high;
	/* weight = 10^((l^2 + 125 l) / 612 - 7 / 34), rounded up */
	l = resources_log2(shares);
	wanted = log2_10 * (l * l + 125 * l - 126) / 612 - 1e-9;
	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if (resources_log2(middle) >= wanted)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

#define RESOURCES_BLKIO_MIN 10
#define RESOURCES_BLKIO_MAX 1000

uint64_t resources_io_weight(uint64_t weight)
{
	if (weight <= RESOURCES_BLKIO_MIN)
		return 1;
	if (weight >= RESOURCES_BLKIO_MAX)
		return RESOURCES_WEIGHT_MAX;
	return 1 + (weight - RESOURCES_BLKIO_MIN) * (RESOURCES_WEIGHT_MAX - 1) /
			   (RESOURCES_BLKIO_MAX - RESOURCES_BLKIO_MIN);
}

/* Formats: from a value to what is written. */

static int64_t resources_clamp(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static int64_t resources_number(const struct resources_row *row, const void *value)
{
	if (row->kind == RESOURCES_BOOL)
		return *(const int *)value;
	return row->kind == RESOURCES_UINT ? resources_clamp(*(const uint64_t *)value)
					   : *(const int64_t *)value;
}

static void resources_print(struct resources_line *line, int64_t number)
{
	snprintf(line->text, sizeof(line->text), "%lld", (long long)number);
}

static void resources_format_number(const struct resources_row *row, const void *value,
				    struct resources_place place, struct resources_line *line)
{
	int64_t number = resources_number(row, value);

	line->nothing = number < 0 || number == row->none;
	line->skip = !number && row->keep_zero;
	/* version 1 takes -1 for what version 2 calls max */
	if (number < 0 && place.version == 2)
		snprintf(line->text, sizeof(line->text), "max");
	else
		resources_print(line, number < 0 ? -1 : number);
}

/* Both versions have the word here, and engines send 0 for it as well. */
static void resources_format_pids(const struct resources_row *row, const void *value,
				  struct resources_place place, struct resources_line *line)
{
	resources_format_number(row, value, place, line);
	if (line->nothing)
		snprintf(line->text, sizeof(line->text), "max");
}

static void resources_format_shares(const struct resources_row *row, const void *value,
				    struct resources_place place, struct resources_line *line)
{
	resources_format_number(row, value, place, line);
	if (place.version == 2)
		resources_print(line, (int64_t)resources_cpu_weight(*(const uint64_t *)value));
}

/* Version 2's io.weight has a range of its own; bfq's file there has version 1's. */
static uint64_t resources_weight_at(uint64_t weight, struct resources_place place)
{
	return place.version == 2 && place.other ? resources_io_weight(weight) : weight;
}

static void resources_format_weight(const struct resources_row *row, const void *value,
				    struct resources_place place, struct resources_line *line)
{
	uint64_t weight = *(const uint64_t *)value;

	resources_format_number(row, value, place, line);
	resources_print(line, (int64_t)resources_weight_at(weight, place));
}

static void resources_print_device(struct resources_line *line, int64_t major, int64_t minor,
				   const char *word, uint64_t value)
{
	snprintf(line->text, sizeof(line->text), "%lld:%lld %s%llu", (long long)major,
		 (long long)minor, word, (unsigned long long)value);
}

static void resources_format_device_weight(_unused_ const struct resources_row *row,
					   const void *value, struct resources_place place,
					   struct resources_line *line)
{
	const struct config_device_weight *device = value;

	line->skip = !device->weight;
	resources_print_device(line, device->major, device->minor, "",
			       resources_weight_at(device->weight, place));
}

static void resources_format_device_leaf(_unused_ const struct resources_row *row,
					 const void *value, _unused_ struct resources_place place,
					 struct resources_line *line)
{
	const struct config_device_weight *device = value;

	line->skip = !device->leaf_weight;
	resources_print_device(line, device->major, device->minor, "", device->leaf_weight);
}

/* A rate of 0 takes the limit away, which version 2 has a word for. */
static void resources_format_throttle(const struct resources_row *row, const void *value,
				      struct resources_place place, struct resources_line *line)
{
	const struct config_throttle *throttle = value;

	line->nothing = !throttle->rate;
	if (place.version == 2 && !throttle->rate)
		snprintf(line->text, sizeof(line->text), "%lld:%lld %smax",
			 (long long)throttle->major, (long long)throttle->minor, row->word);
	else
		resources_print_device(line, throttle->major, throttle->minor,
				       place.version == 2 ? row->word : "", throttle->rate);
}

static void resources_format_hugepage(_unused_ const struct resources_row *row, const void *value,
				      _unused_ struct resources_place place,
				      struct resources_line *line)
{
	const struct config_hugepage_limit *limit = value;

	line->name = limit->page_size;
	resources_print(line, resources_clamp(limit->limit));
}

static void resources_format_priority(_unused_ const struct resources_row *row, const void *value,
				      _unused_ struct resources_place place,
				      struct resources_line *line)
{
	const struct config_net_priority *priority = value;

	line->name = priority->name;
	snprintf(line->text, sizeof(line->text), "%.63s %llu", priority->name,
		 (unsigned long long)priority->priority);
}

static void resources_format_rdma(_unused_ const struct resources_row *row, const void *value,
				  _unused_ struct resources_place place,
				  struct resources_line *line)
{
	const struct config_rdma *rdma = value;
	char handles[40] = "", objects[40] = "";

	line->name = rdma->device;
	line->skip = !rdma->has_handles && !rdma->has_objects;
	if (rdma->has_handles)
		snprintf(handles, sizeof(handles), " hca_handle=%llu",
			 (unsigned long long)rdma->handles);
	if (rdma->has_objects)
		snprintf(objects, sizeof(objects), " hca_object=%llu",
			 (unsigned long long)rdma->objects);
	snprintf(line->text, sizeof(line->text), "%.40s%s%s", rdma->device, handles, objects);
}

/* Rows at work. */

static void resources_format(const struct resources_row *row, const void *value,
			     struct resources_place place, struct resources_line *line)
{
	*line = (struct resources_line){ 0 };
	if (row->kind == RESOURCES_STRING) {
		line->string = *(char *const *)value;
		line->skip = !*line->string;
	} else if (row->format) {
		row->format(row, value, place, line);
	} else {
		resources_format_number(row, value, place, line);
	}
}

static int resources_refuse(const char *member, const char *file, const char *text, int r,
			    struct err *err)
{
	if (r == -ENOENT)
		return err_set(err, r, "linux.resources.%s: the kernel has no file %s for it",
			       member, file);
	if (r == -EBUSY && !strncmp(file, "memory.", strlen("memory.")))
		return err_set(err, r, "linux.resources.%s: %s bytes are less than what is in use",
			       member, text);
	return err_errno(err, r, "linux.resources.%s: cannot write %.64s to %s", member, text,
			 file);
}

/* A name of the configuration's becomes part of a file's name, or of a line. */
static int resources_check_name(const char *member, const char *name, struct err *err)
{
	if (!*name || strlen(name) > 40 || strpbrk(name, "/ \t\n"))
		return err_set(err, -EINVAL, "linux.resources.%s: \"%.64s\" is no name", member,
			       name);
	return 0;
}

static void resources_file_name(const char *pattern, const char *name,
				char file[RESOURCES_FILE_MAX])
{
	const char *star = strchr(pattern, '*');

	if (star)
		snprintf(file, RESOURCES_FILE_MAX, "%.*s%s%s", (int)(star - pattern), pattern, name,
			 star + 1);
	else
		snprintf(file, RESOURCES_FILE_MAX, "%s", pattern);
}

/* -ENOENT: neither of the row's files of this version is there. */
static int resources_write(const struct cgroup *cgroup, const struct resources_row *row,
			   const char *member, const void *value, int version, struct err *err)
{
	const char *text = "";
	char file[RESOURCES_FILE_MAX] = "";
	struct resources_line line = { 0 };
	int r = -ENOENT;

	for (int other = 0; other < 2 && r == -ENOENT; other++) {
		const char *pattern = row->files[version - 1][other];

		if (!pattern)
			break;
		resources_format(row, value, (struct resources_place){ version, other }, &line);
		text = line.string ? line.string : line.text;
		resources_file_name(pattern, line.name, file);
		r = cgroup_write(cgroup, row->controller, file, text);
	}
	if (r == -ENOENT && (line.nothing || row->lenient))
		return 0;
	return r < 0 ? resources_refuse(member, file, text, r, err) : 0;
}

/* One value, or one element of a list. */
static int resources_put_value(const struct cgroup *cgroup, const struct resources_row *row,
			       const char *member, const void *value, struct err *err)
{
	struct resources_line line;
	int version, r = 0;

	resources_format(row, value, (struct resources_place){ 1, 0 }, &line);
	if (line.skip)
		return 0;
	if (line.name)
		r = resources_check_name(member, line.name, err);
	if (r < 0)
		return r;
	version = cgroup_version(cgroup, row->controller);
	if (version > 0 && row->files[version - 1][0])
		return resources_write(cgroup, row, member, value, version, err);
	if (line.nothing || row->lenient)
		return 0;
	if (version > 0)
		return err_set(err, -EOPNOTSUPP,
			       "linux.resources.%s: version %d of cgroups, which this host has, "
			       "cannot do that",
			       member, version);
	return err_set(err, -EOPNOTSUPP,
		       "linux.resources.%s: this host has no cgroup controller for it", member);
}

static const void *resources_at(const void *base, size_t offset)
{
	return (const char *)base + offset;
}

static int resources_put_list(const struct cgroup *cgroup, const struct resources_row *row,
			      const struct config_resources *resources, struct err *err)
{
	const size_t *n = resources_at(resources, row->present);
	const void *const *list = resources_at(resources, row->offset);
	int r = 0;

	for (size_t i = 0; i < *n && r == 0; i++) {
		const void *element = resources_at(*list, i * row->size);
		char member[RESOURCES_TEXT_MAX];

		if (row->kind == RESOURCES_DICT)
			snprintf(member, sizeof(member), "%s[\"%.40s\"]", row->member,
				 *(char *const *)element);
		else
			snprintf(member, sizeof(member), "%s[%zu]", row->member, i);
		r = resources_put_value(cgroup, row, member, element, err);
	}
	return r;
}

static int resources_put(const struct cgroup *cgroup, const struct resources_row *row,
			 const struct config_resources *resources, struct err *err)
{
	const void *value = resources_at(resources, row->offset);
	const int *present = resources_at(resources, row->present);
	int given;

	if (row->kind == RESOURCES_LIST || row->kind == RESOURCES_DICT)
		return resources_put_list(cgroup, row, resources, err);
	given = row->kind == RESOURCES_STRING ? *(char *const *)value != NULL : *present;
	return given ? resources_put_value(cgroup, row, row->member, value, err) : 0;
}

#define ROW(kind_, member_) .kind = (kind_), .offset = offsetof(struct config_resources, member_)
#define HAS(member_)	    .present = offsetof(struct config_resources, member_)
#define V1(file)	    .files[0][0] = (file)
#define V2(file)	    .files[1][0] = (file)
#define OTHER_V1(file)	    .files[0][1] = (file)
#define OTHER_V2(file)	    .files[1][1] = (file)
#define LIST(kind_, list, count, element, format_)                                    \
	.kind = (kind_), .offset = offsetof(struct config_resources, list),           \
	.present = offsetof(struct config_resources, count), .size = sizeof(element), \
	.format = (format_)

/* Rows that the functions below set, each when its turn is. */
enum {
	RESOURCES_LIMIT,
	RESOURCES_SWAP,
	RESOURCES_IDLE,
	RESOURCES_SHARES,
	RESOURCES_QUOTA,
	RESOURCES_PERIOD,
	RESOURCES_BANDWIDTH,
	RESOURCES_BURST,
	RESOURCES_RT_RUNTIME,
	RESOURCES_RT_PERIOD,
};

static const struct resources_row resources_steps[] = {
	[RESOURCES_LIMIT] = { "memory.limit", CGROUP_MEMORY, V1("memory.limit_in_bytes"),
			      V2("memory.max"), ROW(RESOURCES_INT, memory.limit),
			      HAS(memory.has_limit), .keep_zero = 1 },
	[RESOURCES_SWAP] = { "memory.swap", CGROUP_MEMORY, V1("memory.memsw.limit_in_bytes"),
			     V2("memory.swap.max"), ROW(RESOURCES_INT, memory.swap),
			     HAS(memory.has_swap) },
	[RESOURCES_IDLE] = { "cpu.idle", CGROUP_CPU, V1("cpu.idle"), V2("cpu.idle"),
			     ROW(RESOURCES_INT, cpu.idle), HAS(cpu.has_idle) },
	[RESOURCES_SHARES] = { "cpu.shares", CGROUP_CPU, V1("cpu.shares"), V2("cpu.weight"),
			       ROW(RESOURCES_UINT, cpu.shares), HAS(cpu.has_shares), .keep_zero = 1,
			       .format = resources_format_shares },
	[RESOURCES_QUOTA] = { "cpu.quota", CGROUP_CPU, V1("cpu.cfs_quota_us"),
			      ROW(RESOURCES_INT, cpu.quota), HAS(cpu.has_quota), .keep_zero = 1 },
	[RESOURCES_PERIOD] = { "cpu.period", CGROUP_CPU, V1("cpu.cfs_period_us"),
			       ROW(RESOURCES_UINT, cpu.period), HAS(cpu.has_period), .keep_zero = 1,
			       .lenient = 1 },
	/* both in one file, in version 2 */
	[RESOURCES_BANDWIDTH] = { "cpu.quota", CGROUP_CPU, V2("cpu.max"),
				  .kind = RESOURCES_STRING },
	[RESOURCES_BURST] = { "cpu.burst", CGROUP_CPU, V1("cpu.cfs_burst_us"), V2("cpu.max.burst"),
			      ROW(RESOURCES_UINT, cpu.burst), HAS(cpu.has_burst) },
	[RESOURCES_RT_RUNTIME] = { "cpu.realtimeRuntime", CGROUP_CPU, V1("cpu.rt_runtime_us"),
				   ROW(RESOURCES_INT, cpu.realtime_runtime),
				   HAS(cpu.has_realtime_runtime), .keep_zero = 1 },
	[RESOURCES_RT_PERIOD] = { "cpu.realtimePeriod", CGROUP_CPU, V1("cpu.rt_period_us"),
				  ROW(RESOURCES_UINT, cpu.realtime_period),
				  HAS(cpu.has_realtime_period), .keep_zero = 1, .lenient = 1 },
};

/* memory: limit and swap, which is of both together in version 1 and in the specification */

/* What a file of memory's has; no limit, in the words of either version, is INT64_MAX; -1: there is no such file. */
static int64_t resources_memory_now(const struct cgroup *cgroup, const char *file)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = ERR_INIT;
	int64_t value = INT64_MAX;

	if (cgroup_read(cgroup, CGROUP_MEMORY, file, &text) < 0)
		return -1;
	(void)units_parse_int(text, 0, INT64_MAX, &value, &ignored);
	/* version 1's has whole pages of that */
	return value > INT64_MAX - RESOURCES_PAGE_MAX ? INT64_MAX : value;
}

static int resources_check_use(const struct cgroup *cgroup, int64_t limit, int version,
			       struct err *err)
{
	int64_t used = resources_memory_now(cgroup, version == 1 ? "memory.usage_in_bytes"
								 : "memory.current");

	if (limit < 0 || used <= limit)
		return 0;
	return err_set(err, -EBUSY,
		       "linux.resources.memory.limit: %lld bytes are less than the %lld in use",
		       (long long)limit, (long long)used);
}

/* The kernel keeps the limit at or below that of both together, at each step. */
static int resources_apply_memory_v1(const struct cgroup *cgroup, int64_t limit, int64_t swap,
				     struct err *err)
{
	int64_t now = resources_memory_now(cgroup, resources_steps[RESOURCES_LIMIT].files[0][0]);
	int64_t both = resources_memory_now(cgroup, resources_steps[RESOURCES_SWAP].files[0][0]);
	int swap_first = swap < 0 || swap >= now, r = 0;

	if (limit > 0 && !swap && both >= 0 && limit > both)
		return err_set(
			err, -EINVAL,
			"linux.resources.memory.limit: %lld is above the %lld that memory.swap "
			"has now: set both",
			(long long)limit, (long long)both);
	if (swap && swap_first)
		r = resources_put_value(cgroup, &resources_steps[RESOURCES_SWAP], "memory.swap",
					&swap, err);
	if (r == 0)
		r = resources_put_value(cgroup, &resources_steps[RESOURCES_LIMIT], "memory.limit",
					&limit, err);
	if (r == 0 && swap && !swap_first)
		r = resources_put_value(cgroup, &resources_steps[RESOURCES_SWAP], "memory.swap",
					&swap, err);
	return r;
}

static int resources_apply_memory_v2(const struct cgroup *cgroup, int64_t limit, int64_t swap,
				     struct err *err)
{
	int64_t base = limit;
	int r;

	if (swap > 0 && !limit)
		base = resources_memory_now(cgroup, resources_steps[RESOURCES_LIMIT].files[1][0]);
	if (swap > 0 && (base < 0 || base > swap))
		return err_set(err, -EINVAL,
			       "linux.resources.memory.swap: is of memory and swap together, and "
			       "there is no memory.limit up to it");
	r = resources_put_value(cgroup, &resources_steps[RESOURCES_LIMIT], "memory.limit", &limit,
				err);
	if (r < 0 || !swap)
		return r;
	swap = swap < 0 ? -1 : swap - base;
	return resources_put_value(cgroup, &resources_steps[RESOURCES_SWAP], "memory.swap", &swap,
				   err);
}

static int resources_apply_memory(const struct cgroup *cgroup,
				  const struct config_resources *resources, struct err *err)
{
	const struct config_memory *memory = &resources->memory;
	int64_t limit = memory->has_limit ? memory->limit : 0;
	int64_t swap = memory->has_swap ? memory->swap : 0;
	int version = cgroup_version(cgroup, CGROUP_MEMORY), r = 0;

	/* Who lifts the limit and does not speak of swap means both: the engines do not say it twice. */
	if (limit < 0 && !swap)
		swap = -1;
	if (!limit && !swap)
		return 0;
	if (swap > 0 && limit > swap)
		return err_set(
			err, -EINVAL,
			"linux.resources.memory.swap: %lld is less than memory.limit, and is "
			"of memory and swap together",
			(long long)swap);
	if (version > 0 && limit && memory->check_before_update)
		r = resources_check_use(cgroup, limit, version, err);
	if (r < 0)
		return r;
	if (version == 2)
		return resources_apply_memory_v2(cgroup, limit, swap, err);
	return resources_apply_memory_v1(cgroup, limit, swap, err);
}

/* cpu: an idle group takes no weight, and one that has a weight asked for must not be idle any more. */

static int resources_apply_weight(const struct cgroup *cgroup,
				  const struct config_resources *resources, struct err *err)
{
	int r = resources_put(cgroup, &resources_steps[RESOURCES_IDLE], resources, err);

	if (r < 0 || (resources->cpu.has_idle && resources->cpu.idle))
		return r;
	return resources_put(cgroup, &resources_steps[RESOURCES_SHARES], resources, err);
}

/* cpu: quota, period and burst, each bounded by what the others are just then */

/* The period first, which is right where time grows by it; else the other way round. */
static int resources_put_pair(const struct cgroup *cgroup, const struct resources_row *period,
			      const struct resources_row *time,
			      const struct config_resources *resources, struct err *err)
{
	struct err first = ERR_INIT;
	int r = resources_put(cgroup, period, resources, &first);

	if (r == 0)
		return resources_put(cgroup, time, resources, err);
	r = resources_put(cgroup, time, resources, err);
	return r < 0 ? r : resources_put(cgroup, period, resources, err);
}

static int resources_put_bandwidth_v2(const struct cgroup *cgroup, const struct config_cpu *cpu,
				      struct err *err)
{
	_cleanup_free_ char *now = NULL;
	char text[64], *value = text;

	if (!(cpu->has_quota && cpu->quota) && !(cpu->has_period && cpu->period))
		return 0;
	if (cpu->has_quota && cpu->quota > 0)
		snprintf(text, sizeof(text), "%lld", (long long)cpu->quota);
	else if (cpu->has_quota && cpu->quota < 0)
		snprintf(text, sizeof(text), "max");
	else if (cgroup_read(cgroup, CGROUP_CPU, "cpu.max", &now) == 0)
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(now, " "), now);
	else
		return 0;
	/* a period that is not given stays */
	if (cpu->has_period && cpu->period)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %llu",
			 (unsigned long long)cpu->period);
	return resources_put_value(cgroup, &resources_steps[RESOURCES_BANDWIDTH], "cpu.quota",
				   &value, err);
}

static int resources_put_bandwidth(const struct cgroup *cgroup,
				   const struct config_resources *resources, struct err *err)
{
	if (cgroup_version(cgroup, CGROUP_CPU) == 2)
		return resources_put_bandwidth_v2(cgroup, &resources->cpu, err);
	return resources_put_pair(cgroup, &resources_steps[RESOURCES_PERIOD],
				  &resources_steps[RESOURCES_QUOTA], resources, err);
}

/* A burst may not be above the quota: one that comes down does so before it, one that goes up after. */
static int resources_apply_bandwidth(const struct cgroup *cgroup,
				     const struct config_resources *resources, struct err *err)
{
	const struct config_cpu *cpu = &resources->cpu;
	struct err first = ERR_INIT;
	int early, r;

	if (cpu->has_burst && cpu->has_quota && cpu->quota > 0 && cpu->burst > (uint64_t)cpu->quota)
		return err_set(err, -EINVAL,
			       "linux.resources.cpu.burst: %llu is more than cpu.quota, %lld",
			       (unsigned long long)cpu->burst, (long long)cpu->quota);
	early = resources_put(cgroup, &resources_steps[RESOURCES_BURST], resources, &first);
	r = resources_put_bandwidth(cgroup, resources, err);
	return r < 0 || early == 0
		       ? r
		       : resources_put(cgroup, &resources_steps[RESOURCES_BURST], resources, err);
}

static int resources_apply_realtime(const struct cgroup *cgroup,
				    const struct config_resources *resources, struct err *err)
{
	return resources_put_pair(cgroup, &resources_steps[RESOURCES_RT_PERIOD],
				  &resources_steps[RESOURCES_RT_RUNTIME], resources, err);
}

/* unified: files of version 2, by name */

static int resources_put_unified(const struct cgroup *cgroup, const struct record_pair *pair,
				 struct err *err)
{
	/* the kernel takes one line at a time */
	_cleanup_strv_ char **lines = strv_split(pair->value, "\n");
	char member[RESOURCES_TEXT_MAX];
	int r = 0;

	snprintf(member, sizeof(member), "unified[\"%.64s\"]", pair->key);
	if (!*pair->key || strchr(pair->key, '/') || !strncmp(pair->key, "cgroup.", 7))
		return err_set(err, -EINVAL,
			       "linux.resources.%s: is not a file of a cgroup controller", member);
	for (size_t i = 0; lines && lines[i] && r == 0; i++) {
		r = cgroup_write(cgroup, CGROUP_CORE, pair->key, lines[i]);
		if (r < 0)
			r = resources_refuse(member, pair->key, lines[i], r, err);
	}
	return r;
}

static int resources_apply_unified(const struct cgroup *cgroup,
				   const struct config_resources *resources, struct err *err)
{
	int r = 0;

	if (resources->n_unified && cgroup_version(cgroup, CGROUP_CORE) != 2)
		return err_set(err, -EOPNOTSUPP,
			       "linux.resources.unified: this host has no version 2 of cgroups");
	for (size_t i = 0; i < resources->n_unified && r == 0; i++)
		r = resources_put_unified(cgroup, &resources->unified[i], err);
	return r;
}

#define THROTTLE(member_, kind_, v1, word_)                                               \
	{                                                                                 \
		"blockIO." member_, CGROUP_BLKIO, V1("blkio.throttle." v1), V2("io.max"), \
			LIST(RESOURCES_LIST, block_io.throttles[kind_].list,              \
			     block_io.throttles[kind_].n, struct config_throttle,         \
			     resources_format_throttle),                                  \
			.word = (word_)                                                   \
	}

/*
 * In this order. memory.kernel has no row: the specification advises against it, from 5.16 on kernels take any value
 * and do nothing, and before that a limit leaked groups. memory.kernelTCP is advised against too; version 2 counts that
 * memory in memory.max.
 */
static const struct resources_row resources_rows[] = {
	{ "memory.limit", .apply = resources_apply_memory },
	{ "memory.reservation", CGROUP_MEMORY, V1("memory.soft_limit_in_bytes"), V2("memory.low"),
	  ROW(RESOURCES_INT, memory.reservation), HAS(memory.has_reservation), .keep_zero = 1 },
	{ "memory.kernelTCP", CGROUP_MEMORY, V1("memory.kmem.tcp.limit_in_bytes"),
	  ROW(RESOURCES_INT, memory.kernel_tcp), HAS(memory.has_kernel_tcp), .keep_zero = 1,
	  .lenient = 1 },
	{ "memory.swappiness", CGROUP_MEMORY, V1("memory.swappiness"),
	  ROW(RESOURCES_UINT, memory.swappiness), HAS(memory.has_swappiness), .none = -1 },
	{ "memory.disableOOMKiller", CGROUP_MEMORY, V1("memory.oom_control"),
	  ROW(RESOURCES_BOOL, memory.disable_oom_killer), HAS(memory.has_disable_oom_killer) },
	{ "memory.useHierarchy", CGROUP_MEMORY, V1("memory.use_hierarchy"),
	  ROW(RESOURCES_BOOL, memory.use_hierarchy), HAS(memory.has_use_hierarchy), .none = 1 },
	{ "cpu.shares", .apply = resources_apply_weight },
	{ "cpu.quota", .apply = resources_apply_bandwidth },
	{ "cpu.realtimeRuntime", .apply = resources_apply_realtime },
	{ "cpu.cpus", CGROUP_CPUSET, V1("cpuset.cpus"), V2("cpuset.cpus"),
	  ROW(RESOURCES_STRING, cpu.cpus) },
	{ "cpu.mems", CGROUP_CPUSET, V1("cpuset.mems"), V2("cpuset.mems"),
	  ROW(RESOURCES_STRING, cpu.mems) },
	{ "pids.limit", CGROUP_PIDS, V1("pids.max"), V2("pids.max"), ROW(RESOURCES_INT, pids),
	  HAS(has_pids), .format = resources_format_pids },
	{ "blockIO.weight", CGROUP_BLKIO, V1("blkio.bfq.weight"), OTHER_V1("blkio.weight"),
	  V2("io.bfq.weight"), OTHER_V2("io.weight"), ROW(RESOURCES_UINT, block_io.weight),
	  HAS(block_io.has_weight), .keep_zero = 1, .format = resources_format_weight },
	/* went with the scheduler cfq, in 5.0 */
	{ "blockIO.leafWeight", CGROUP_BLKIO, V1("blkio.leaf_weight"),
	  ROW(RESOURCES_UINT, block_io.leaf_weight), HAS(block_io.has_leaf_weight),
	  .keep_zero = 1 },
	{ "blockIO.weightDevice", CGROUP_BLKIO, V1("blkio.bfq.weight_device"),
	  OTHER_V1("blkio.weight_device"), V2("io.bfq.weight"), OTHER_V2("io.weight"),
	  LIST(RESOURCES_LIST, block_io.weights, block_io.n_weights, struct config_device_weight,
	       resources_format_device_weight) },
	{ "blockIO.weightDevice", CGROUP_BLKIO, V1("blkio.leaf_weight_device"),
	  LIST(RESOURCES_LIST, block_io.weights, block_io.n_weights, struct config_device_weight,
	       resources_format_device_leaf) },
	THROTTLE("throttleReadBpsDevice", CONFIG_READ_BPS, "read_bps_device", "rbps="),
	THROTTLE("throttleWriteBpsDevice", CONFIG_WRITE_BPS, "write_bps_device", "wbps="),
	THROTTLE("throttleReadIOPSDevice", CONFIG_READ_IOPS, "read_iops_device", "riops="),
	THROTTLE("throttleWriteIOPSDevice", CONFIG_WRITE_IOPS, "write_iops_device", "wiops="),
	{ "hugepageLimits", CGROUP_HUGETLB, V1("hugetlb.*.limit_in_bytes"), V2("hugetlb.*.max"),
	  LIST(RESOURCES_LIST, hugepages, n_hugepages, struct config_hugepage_limit,
	       resources_format_hugepage) },
	/* what is promised, apart from what is used, since 5.7 */
	{ "hugepageLimits", CGROUP_HUGETLB, V1("hugetlb.*.rsvd.limit_in_bytes"),
	  V2("hugetlb.*.rsvd.max"),
	  LIST(RESOURCES_LIST, hugepages, n_hugepages, struct config_hugepage_limit,
	       resources_format_hugepage),
	  .lenient = 1 },
	{ "network.classID", CGROUP_NET_CLS, V1("net_cls.classid"), ROW(RESOURCES_UINT, net_class),
	  HAS(has_net_class) },
	{ "network.priorities", CGROUP_NET_PRIO, V1("net_prio.ifpriomap"),
	  LIST(RESOURCES_LIST, net_priorities, n_net_priorities, struct config_net_priority,
	       resources_format_priority) },
	{ "rdma", CGROUP_RDMA, V1("rdma.max"), V2("rdma.max"),
	  LIST(RESOURCES_DICT, rdma, n_rdma, struct config_rdma, resources_format_rdma) },
	/* last, so that it has the last word */
	{ "unified", .apply = resources_apply_unified },
};

int resources_apply(const struct cgroup *cgroup, const struct config_resources *resources,
		    struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(resources_rows) && r == 0; i++) {
		const struct resources_row *row = &resources_rows[i];

		r = row->apply ? row->apply(cgroup, resources, err)
			       : resources_put(cgroup, row, resources, err);
	}
	return r;
}

/* Devices. */

static int resources_check_device(const struct config_device_rule *device, size_t i,
				  struct err *err)
{
	const char *access = device->access ? device->access : "";

	if (device->type && strcmp(device->type, "a") && strcmp(device->type, "b") &&
	    strcmp(device->type, "c"))
		return err_set(err, -EINVAL,
			       "linux.resources.devices[%zu].type: \"%.16s\" is none of a, b and c",
			       i, device->type);
	if (strlen(access) > 3 || strspn(access, "rwm") != strlen(access))
		return err_set(
			err, -EINVAL,
			"linux.resources.devices[%zu].access: \"%.16s\" is not of r, w and m", i,
			access);
	return 0;
}

static int resources_is_whole(const struct cgroup_device *rule)
{
	return rule->major < 0 && rule->minor < 0 && strchr(rule->access, 'r') &&
	       strchr(rule->access, 'w') && strchr(rule->access, 'm');
}

/* Adds one or two rules: the kernel's "all" is all kinds, all numbers and all access, and nothing in between. */
static void resources_add_device(const struct config_device_rule *device,
				 struct cgroup_device *rules, size_t *n)
{
	struct cgroup_device rule = {
		.type = device->type ? device->type[0] : 'a',
		.major = device->has_major ? device->major : -1,
		.minor = device->has_minor ? device->minor : -1,
		.allow = device->allow,
	};

	snprintf(rule.access, sizeof(rule.access), "%s",
		 device->access && *device->access ? device->access : "rwm");
	if (rule.type == 'a' && !resources_is_whole(&rule)) {
		rule.type = 'b';
		rules[(*n)++] = rule;
		rule.type = 'c';
	}
	rules[(*n)++] = rule;
}

int resources_device_rules(const struct config_resources *resources, struct cgroup_device **ret,
			   size_t *ret_n, struct err *err)
{
	_cleanup_free_ struct cgroup_device *rules = NULL;
	size_t n = 0;

	if (resources->n_devices > CGROUP_DEVICES_MAX)
		return err_set(err, -E2BIG, "linux.resources.devices: more than %d rules",
			       CGROUP_DEVICES_MAX);
	rules = mem_zalloc((1 + resources->n_devices * 2 + DEV_STANDARD_RULES) * sizeof(*rules));
	rules[n++] = (struct cgroup_device){ 'a', -1, -1, "rwm", 0 };
	for (size_t i = 0; i < resources->n_devices; i++) {
		int r = resources_check_device(&resources->devices[i], i, err);

		if (r < 0)
			return r;
		resources_add_device(&resources->devices[i], rules, &n);
	}
	n += dev_standard_rules(rules + n);
	if (n > CGROUP_DEVICES_MAX)
		return err_set(err, -E2BIG, "linux.resources.devices: more than %d rules",
			       CGROUP_DEVICES_MAX);
	*ret = take_ptr(rules);
	*ret_n = n;
	return 0;
}
