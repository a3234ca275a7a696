// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/stats.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/meminfo.h"
#include "proto/message.h"
#include "proto/procs.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#define STATS_FILE_MAX (64U << 10)

/* Fields of the line "cpu" in /proc/stat, in ticks; guest time is part of user time. */
enum { STATS_IDLE = 3, STATS_IOWAIT = 4, STATS_CPU_FIELDS = 8 };

static uint64_t stats_number(const char **s)
{
	uint64_t value = 0;

	*s += strspn(*s, " \t");
	for (; isdigit((unsigned char)**s); (*s)++)
		value = value * 10 + (uint64_t)(**s - '0');
	return value;
}

static uint64_t stats_cpu_ns(const char *text)
{
	uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK), busy = 0;
	const char *p = text + strcspn(text, " ");

	for (int i = 0; i < STATS_CPU_FIELDS; i++) {
		uint64_t ticks = stats_number(&p);

		if (i != STATS_IDLE && i != STATS_IOWAIT)
			busy += ticks;
	}
	return busy * tick_ns;
}

/* Calls each for all processes of the instance: those in PID namespaces below ours. */
static int stats_each(void (*each)(const struct procs_entry *entry, void *ctx), void *ctx)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc");
	struct procs_entry entry;
	struct dirent *name;

	if (!dir)
		return -errno;
	while ((name = readdir(dir))) {
		const char *p = name->d_name;
		uint64_t pid = stats_number(&p);

		if (pid && !*p && procs_read(dirfd(dir), (uint32_t)pid, &entry) == 0 && entry.depth)
			each(&entry, ctx);
	}
	return 0;
}

static void stats_count(const struct procs_entry *entry _unused_, void *ctx)
{
	(*(uint64_t *)ctx)++;
}

static uint64_t stats_memory(const char *meminfo, const char *key)
{
	int64_t bytes = meminfo_bytes(meminfo, key);

	return bytes < 0 ? 0 : (uint64_t)bytes;
}

/* Of lines "KEY N"; 0: there is none. */
static uint64_t stats_event(const char *vmstat, const char *key)
{
	const char *at = strstr(vmstat, key);

	at = at ? at + strlen(key) : "";
	return stats_number(&at);
}

/* "some avg10=1.23 ...": hundredths of per cent. */
static uint64_t stats_pressure(const char *text)
{
	static const char key[] = "some avg10=";
	const char *at = strstr(text, key);
	uint64_t whole;

	if (!at)
		return MESSAGE_UNKNOWN;
	at += strlen(key);
	whole = stats_number(&at) * 100;
	at += *at == '.';
	return whole + stats_number(&at);
}

/*
 * With VIRTIO_BALLOON_F_DEFLATE_ON_OOM, which our balloons have, Linux counts pages of the balloon as in use by
 * somebody, and its size stands nowhere but in these two.
 */
static void stats_want(const char *meminfo, struct message_stats *stats)
{
	_cleanup_free_ char *vmstat = NULL, *pressure = NULL;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), in, out;

	if (file_read(AT_FDCWD, "/proc/vmstat", STATS_FILE_MAX, &vmstat, NULL) < 0)
		return;
	in = stats_event(vmstat, "\nballoon_inflate ");
	out = stats_event(vmstat, "\nballoon_deflate ");
	stats->memory_balloon = in > out ? (in - out) * page : 0;
	stats->refaults = stats_event(vmstat, "\nworkingset_refault_anon ") +
			  stats_event(vmstat, "\nworkingset_refault_file ");
	stats->memory_free = stats_memory(meminfo, "MemFree");
	stats->pressure = MESSAGE_UNKNOWN;
	if (file_read(AT_FDCWD, "/proc/pressure/memory", STATS_FILE_MAX, &pressure, NULL) == 0)
		stats->pressure = stats_pressure(pressure);
	stats->has_more = 1;
}

int stats_machine(struct buf *payload, struct err *err)
{
	_cleanup_free_ char *meminfo = NULL, *stat = NULL;
	struct message_stats stats = { 0 };
	int r = file_read(AT_FDCWD, "/proc/meminfo", STATS_FILE_MAX, &meminfo, NULL);

	if (r == 0)
		r = file_read(AT_FDCWD, "/proc/stat", STATS_FILE_MAX, &stat, NULL);
	if (r == 0)
		r = stats_each(stats_count, &stats.processes);
	if (r)
		return err_errno(err, r, "cannot read the machine's statistics");
	stats.memory_total = stats_memory(meminfo, "MemTotal");
	stats.memory_used = stats.memory_total - stats_memory(meminfo, "MemAvailable");
	stats_want(meminfo, &stats);
	stats.memory_used -=
		stats.memory_balloon < stats.memory_used ? stats.memory_balloon : stats.memory_used;
	stats.cpu_ns = stats_cpu_ns(stat);
	message_put_stats(payload, &stats);
	return 0;
}

struct stats_list {
	struct procs_entry *entries;
	size_t n;
};

static void stats_collect(const struct procs_entry *entry, void *ctx)
{
	struct stats_list *list = ctx;

	if (list->n == PROCS_MAX)
		return;
	if (list->n % 64 == 0)
		list->entries = mem_realloc(list->entries, list->n + 64, sizeof(*entry));
	list->entries[list->n++] = *entry;
}

int stats_processes(struct buf *payload, struct err *err)
{
	struct stats_list list = { 0 };
	int r = stats_each(stats_collect, &list);

	if (r == 0)
		procs_put(payload, list.entries, list.n);
	free(list.entries);
	return r < 0 ? err_errno(err, r, "cannot read the machine's processes") : 0;
}
