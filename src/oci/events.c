// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `events`: what a container uses, and that it wanted for memory, one JSON object a line, with the members that
 * runc's have. A figure is a row of events_figures[]; those whose file this kernel does not have are left out.
 */
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "oci/container.h"

#include <string.h>

#define EVENTS_INTERVAL "5s"

struct events_values {
	int stats;
	char *interval;
};

static const struct option events_options[] = {
	{ .name = "stats",
	  .type = OPTION_FLAG,
	  .help = "show what it uses now, and return",
	  .offset = offsetof(struct events_values, stats) },
	{ .name = "interval",
	  .type = OPTION_STRING,
	  .metavar = "DURATION",
	  .help = "how often it is shown, as 10s (" EVENTS_INTERVAL ")",
	  .offset = offsetof(struct events_values, interval) },
	OPTION_END,
};

/* Where a version has a figure: the file's one number, or the one behind a key. */
struct events_place {
	unsigned int controller;
	const char *file, *key;
	uint64_t scale; /* 0: 1 */
};

struct events_figure {
	const char *object, *part,
		*member;	       /* data.OBJECT.PART.MEMBER; part NULL: data.OBJECT.MEMBER */
	struct events_place places[2]; /* of version 1 and of 2 */
};

static const struct events_figure events_figures[] = {
	{ "cpu",
	  "usage",
	  "total",
	  { { CGROUP_CPUACCT, "cpuacct.usage", NULL, 0 },
	    { CGROUP_CORE, "cpu.stat", "usage_usec", 1000 } } },
	{ "cpu",
	  "usage",
	  "kernel",
	  { { CGROUP_CPUACCT, "cpuacct.usage_sys", NULL, 0 },
	    { CGROUP_CORE, "cpu.stat", "system_usec", 1000 } } },
	{ "cpu",
	  "usage",
	  "user",
	  { { CGROUP_CPUACCT, "cpuacct.usage_user", NULL, 0 },
	    { CGROUP_CORE, "cpu.stat", "user_usec", 1000 } } },
	{ "cpu",
	  "throttling",
	  "periods",
	  { { CGROUP_CPU, "cpu.stat", "nr_periods", 0 },
	    { CGROUP_CPU, "cpu.stat", "nr_periods", 0 } } },
	{ "cpu",
	  "throttling",
	  "throttledPeriods",
	  { { CGROUP_CPU, "cpu.stat", "nr_throttled", 0 },
	    { CGROUP_CPU, "cpu.stat", "nr_throttled", 0 } } },
	{ "cpu",
	  "throttling",
	  "throttledTime",
	  { { CGROUP_CPU, "cpu.stat", "throttled_time", 0 },
	    { CGROUP_CPU, "cpu.stat", "throttled_usec", 1000 } } },
	{ "memory",
	  NULL,
	  "cache",
	  { { CGROUP_MEMORY, "memory.stat", "total_cache", 0 },
	    { CGROUP_MEMORY, "memory.stat", "file", 0 } } },
	{ "memory",
	  "usage",
	  "usage",
	  { { CGROUP_MEMORY, "memory.usage_in_bytes", NULL, 0 },
	    { CGROUP_MEMORY, "memory.current", NULL, 0 } } },
	{ "memory",
	  "usage",
	  "max",
	  { { CGROUP_MEMORY, "memory.max_usage_in_bytes", NULL, 0 },
	    { CGROUP_MEMORY, "memory.peak", NULL, 0 } } },
	{ "memory",
	  "usage",
	  "limit",
	  { { CGROUP_MEMORY, "memory.limit_in_bytes", NULL, 0 },
	    { CGROUP_MEMORY, "memory.max", NULL, 0 } } },
	{ "memory",
	  "usage",
	  "failcnt",
	  { { CGROUP_MEMORY, "memory.failcnt", NULL, 0 },
	    { CGROUP_MEMORY, "memory.events", "max", 0 } } },
	/* of memory and swap together in version 1, of swap alone in 2 */
	{ "memory",
	  "swap",
	  "usage",
	  { { CGROUP_MEMORY, "memory.memsw.usage_in_bytes", NULL, 0 },
	    { CGROUP_MEMORY, "memory.swap.current", NULL, 0 } } },
	{ "memory",
	  "swap",
	  "limit",
	  { { CGROUP_MEMORY, "memory.memsw.limit_in_bytes", NULL, 0 },
	    { CGROUP_MEMORY, "memory.swap.max", NULL, 0 } } },
	{ "memory",
	  "kernel",
	  "usage",
	  { { CGROUP_MEMORY, "memory.kmem.usage_in_bytes", NULL, 0 },
	    { CGROUP_MEMORY, "memory.stat", "kernel", 0 } } },
	{ "pids",
	  NULL,
	  "current",
	  { { CGROUP_PIDS, "pids.current", NULL, 0 }, { CGROUP_PIDS, "pids.current", NULL, 0 } } },
	{ "pids",
	  NULL,
	  "limit",
	  { { CGROUP_PIDS, "pids.max", NULL, 0 }, { CGROUP_PIDS, "pids.max", NULL, 0 } } },
};

static int events_parse(const char *text, uint64_t *ret)
{
	struct err ignored = ERR_INIT;
	int64_t value = 0;
	int r;

	if (!strcmp(text, "max")) {
		*ret = UINT64_MAX;
		return 0;
	}
	r = units_parse_int(text, 0, INT64_MAX, &value, &ignored);
	*ret = (uint64_t)value;
	return r;
}

/* The value of a line "key value". */
static int events_find(char *const *lines, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	strv_for_each(line, lines) {
		if (!strncmp(*line, key, len) && (*line)[len] == ' ')
			return events_parse(*line + len + 1, ret);
	}
	return -ENOENT;
}

static int events_read(const struct cgroup *cgroup, const struct events_place *place, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **lines = NULL;
	int r = cgroup_read(cgroup, place->controller, place->file, &text);

	if (r < 0)
		return r;
	lines = strv_split(text, "\n");
	r = place->key ? events_find(lines, place->key, ret) : events_parse(text, ret);
	if (r == 0 && place->scale)
		*ret *= place->scale;
	return r;
}

/* The object's member of that name, which is an object; made if it is not there. */
static struct json *events_object(struct json *object, const char *key)
{
	struct json *member = json_get(object, key);

	if (member)
		return member;
	member = json_new_object();
	json_object_add(object, key, member);
	return member;
}

static void events_add_figure(struct json *data, const struct cgroup *cgroup,
			      const struct events_figure *figure)
{
	struct json *object;
	uint64_t value = 0;

	for (int version = 1; version <= 2; version++) {
		const struct events_place *place = &figure->places[version - 1];

		if (cgroup_version(cgroup, place->controller) != version ||
		    events_read(cgroup, place, &value) < 0)
			continue;
		object = events_object(data, figure->object);
		if (figure->part)
			object = events_object(object, figure->part);
		/* no limit of processes is 0, as runc has it */
		if (!strcmp(figure->object, "pids") && value == UINT64_MAX)
			value = 0;
		json_object_add(object, figure->member, json_new_uint(value));
		return;
	}
}

/* All of memory.stat. */
static void events_add_raw(struct json *data, const struct cgroup *cgroup)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **lines = NULL;
	struct json *raw;

	if (cgroup_read(cgroup, CGROUP_MEMORY, "memory.stat", &text) < 0)
		return;
	raw = events_object(events_object(data, "memory"), "raw");
	lines = strv_split(text, "\n");
	strv_for_each(line, lines) {
		char *blank = strchr(*line, ' ');
		uint64_t value = 0;

		if (!blank || events_parse(blank + 1, &value) < 0)
			continue;
		*blank = '\0';
		json_object_add(raw, *line, json_new_uint(value));
	}
}

/* Adds one count of a device's to data.blkio.LIST. number: "8:0". */
static void events_add_io(struct json *data, const char *list, const char *number, const char *op,
			  const char *count)
{
	struct json *blkio = events_object(data, "blkio"), *array = json_get(blkio, list), *entry;
	const char *colon = strchr(number, ':');
	_cleanup_free_ char *before = colon ? mem_strndup(number, (size_t)(colon - number)) : NULL;
	uint64_t major = 0, minor = 0, value = 0;

	if (!before || events_parse(before, &major) < 0 || events_parse(colon + 1, &minor) < 0 ||
	    events_parse(count, &value) < 0)
		return;
	if (!array) {
		array = json_new_array();
		json_object_add(blkio, list, array);
	}
	entry = json_new_object();
	json_object_add(entry, "major", json_new_uint(major));
	json_object_add(entry, "minor", json_new_uint(minor));
	json_object_add(entry, "op", json_new_string(op));
	json_object_add(entry, "value", json_new_uint(value));
	json_array_add(array, entry);
}

static const char events_bytes[] = "ioServiceBytesRecursive";
static const char events_times[] = "ioServicedRecursive";

/* Lines "8:0 Read 4096"; the last one is a total. */
static void events_add_io_v1(struct json *data, const struct cgroup *cgroup, const char *file,
			     const char *list)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **lines = NULL;

	if (cgroup_read(cgroup, CGROUP_BLKIO, file, &text) < 0)
		return;
	lines = strv_split(text, "\n");
	strv_for_each(line, lines) {
		_cleanup_strv_ char **words = strv_split(*line, " ");

		if (strv_len(words) == 3)
			events_add_io(data, list, words[0], words[1], words[2]);
	}
}

/* Lines "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0" */
static void events_add_io_v2(struct json *data, const struct cgroup *cgroup)
{
	static const struct {
		const char *key, *list, *op;
	} keys[] = {
		{ "rbytes=", events_bytes, "Read" },	{ "wbytes=", events_bytes, "Write" },
		{ "dbytes=", events_bytes, "Discard" }, { "rios=", events_times, "Read" },
		{ "wios=", events_times, "Write" },	{ "dios=", events_times, "Discard" },
	};
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **lines = NULL;

	if (cgroup_read(cgroup, CGROUP_BLKIO, "io.stat", &text) < 0)
		return;
	lines = strv_split(text, "\n");
	strv_for_each(line, lines) {
		_cleanup_strv_ char **words = strv_split(*line, " ");

		for (size_t i = 1; i < strv_len(words) * ARRAY_SIZE(keys); i++) {
			const char *word = words[i / ARRAY_SIZE(keys)];
			size_t k = i % ARRAY_SIZE(keys), len = strlen(keys[k].key);

			if (!strncmp(word, keys[k].key, len))
				events_add_io(data, keys[k].list, words[0], keys[k].op, word + len);
		}
	}
}

/* A folder "hugepages-2048kB" is what the controller calls 2MB. */
static int events_page_size(const char *folder, char size[32])
{
	static const char prefix[] = "hugepages-";
	_cleanup_free_ char *number = NULL;
	uint64_t kib = 0;

	if (strncmp(folder, prefix, strlen(prefix)) != 0)
		return -EINVAL;
	folder += strlen(prefix);
	number = mem_strndup(folder, strspn(folder, "0123456789"));
	if (events_parse(number, &kib) < 0)
		return -EINVAL;
	if (kib >> 20)
		snprintf(size, 32, "%lluGB", (unsigned long long)kib >> 20);
	else if (kib >> 10)
		snprintf(size, 32, "%lluMB", (unsigned long long)kib >> 10);
	else
		snprintf(size, 32, "%lluKB", (unsigned long long)kib);
	return 0;
}

static void events_add_pages_of(struct json *data, const struct cgroup *cgroup, int version,
				const char *size)
{
	static const char *const files[2][2] = { { "usage_in_bytes", "max_usage_in_bytes" },
						 { "current", NULL } };
	static const char *const members[2] = { "usage", "max" };

	for (int i = 0; i < 2 && files[version - 1][i]; i++) {
		_cleanup_free_ char *file =
			mem_printf("hugetlb.%s.%s", size, files[version - 1][i]);
		const struct events_place place = { CGROUP_HUGETLB, file, NULL, 0 };
		uint64_t value = 0;

		if (events_read(cgroup, &place, &value) == 0)
			json_object_add(events_object(events_object(data, "hugetlb"), size),
					members[i], json_new_uint(value));
	}
}

static void events_add_pages(struct json *data, const struct cgroup *cgroup)
{
	int version = cgroup_version(cgroup, CGROUP_HUGETLB);
	_cleanup_closedir_ DIR *dir = version > 0 ? opendir("/sys/kernel/mm/hugepages") : NULL;
	struct dirent *entry;
	char size[32];

	while (dir && (entry = readdir(dir))) {
		if (events_page_size(entry->d_name, size) == 0)
			events_add_pages_of(data, cgroup, version, size);
	}
}

static struct json *events_data(const struct cgroup *cgroup)
{
	struct json *data = json_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(events_figures); i++)
		events_add_figure(data, cgroup, &events_figures[i]);
	events_add_raw(data, cgroup);
	if (cgroup_version(cgroup, CGROUP_BLKIO) == 2) {
		events_add_io_v2(data, cgroup);
	} else {
		events_add_io_v1(data, cgroup, "blkio.throttle.io_service_bytes_recursive",
				 events_bytes);
		events_add_io_v1(data, cgroup, "blkio.throttle.io_serviced_recursive",
				 events_times);
	}
	events_add_pages(data, cgroup);
	return data;
}

/* -errno if nobody reads any more. */
static int events_print(const char *type, const char *id, struct json *data)
{
	_cleanup_json_ struct json *event = json_new_object();
	_cleanup_free_ char *text = NULL;

	json_object_add(event, "type", json_new_string(type));
	json_object_add(event, "id", json_new_string(id));
	if (data)
		json_object_add(event, "data", data);
	text = json_text(event, 0);
	return puts(text) == EOF || fflush(stdout) == EOF ? -errno : 0;
}

struct events {
	const struct container *container;
	struct loop *loop;
	struct cgroup_oom oom;
	int64_t interval_ms;
	struct loop_source *end, *timer, *wants;
};

static void events_release(struct events *events)
{
	loop_source_free(events->end);
	loop_source_free(events->timer);
	loop_source_free(events->wants);
	loop_free(events->loop);
	cgroup_oom_release(&events->oom);
}

static void events_on_end(void *ctx, uint32_t _unused_ ready)
{
	struct events *events = ctx;

	loop_exit(events->loop, 0);
}

static void events_on_timer(void *ctx)
{
	struct events *events = ctx;
	int r = events_print("stats", events->container->store.id,
			     events_data(events->container->cgroup));

	if (r < 0)
		loop_exit(events->loop, r);
	else
		loop_timer_set(events->timer, events->interval_ms);
}

static void events_on_oom(void *ctx, uint32_t _unused_ ready)
{
	struct events *events = ctx;
	int r = 0;

	for (uint64_t n = cgroup_oom_count(&events->oom); n && r == 0; n--)
		r = events_print("oom", events->container->store.id, NULL);
	if (r < 0)
		loop_exit(events->loop, r);
}

/* Until its first process ends. */
static int events_follow(struct events *events, struct err *err)
{
	int r = cgroup_oom_open(events->container->cgroup, &events->oom, err);

	if (r == 0)
		r = loop_new(&events->loop, err);
	if (r < 0)
		return r;
	events->end = loop_watch_fd(events->loop, events->container->pidfd, EPOLLIN, events_on_end,
				    events);
	events->wants = loop_watch_fd(events->loop, events->oom.fd, events->oom.events,
				      events_on_oom, events);
	events->timer = loop_add_timer(events->loop, events_on_timer, events);
	if (!events->end || !events->wants || !events->timer)
		return err_errno(err, -errno, "cannot wait for the container");
	loop_timer_set(events->timer, events->interval_ms);
	r = loop_run(events->loop);
	/* what came with the end */
	if (r == 0)
		events_on_oom(events, 0);
	return r < 0 && r != -EPIPE ? err_errno(err, r, "cannot write the output") : 0;
}

static int events_run(const struct oci_context *oci, const void *values, char **args,
		      struct err *err)
{
	_cleanup_container_ struct container container = CONTAINER_INIT;
	_cleanup_(events_release) struct events events = { .container = &container,
							   .oom = CGROUP_OOM_INIT };
	const struct events_values *v = values;
	int r = units_parse_duration(v->interval ? v->interval : EVENTS_INTERVAL,
				     &events.interval_ms, err);

	if (r == 0 && events.interval_ms <= 0)
		r = err_set(err, -EINVAL, "must be more than nothing");
	if (r < 0)
		return err_wrap(err, "--interval");
	r = container_open(oci, args[0], 0, &container, err);
	if (r == 0)
		r = container_check_alive(&container, err);
	if (r < 0)
		return r;
	if (!container_cgroup(&container))
		return err_set(err, -EOPNOTSUPP, "the container '%s' has no cgroup to measure",
			       args[0]);
	if (!v->stats)
		return events_follow(&events, err);
	r = events_print("stats", args[0], events_data(container.cgroup));
	return r < 0 ? err_errno(err, r, "cannot write the output") : 0;
}

const struct verb oci_events_verbs[] = {
	{
		.name = "events",
		.group = "While it runs",
		.args = "ID",
		.summary = "Show what a container uses, and when it wants for memory, as JSON",
		.description =
			"A line at each interval, and one of the type \"oom\" for each time that a "
			"process was killed for want of memory; until the container ends.",
		.options = events_options,
		.min_args = 1,
		.max_args = 1,
		.values_size = sizeof(struct events_values),
		.complete = "container",
		.run_oci = events_run,
	},
	{ .name = NULL },
};
