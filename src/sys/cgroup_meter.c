// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: a row of cgroup_meter_files[] is a file of one version with how its text is read. A group's folder is
 * opened once in each hierarchy, and its files from there; all are closed together, and nothing is allocated.
 */
#include "sys/cgroup_meter.h"
#include "base/fds.h"
#include "base/mem.h"
#include "sys/cgroup-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* The longest is memory.stat; what is looked for there stands in its first lines, io.stat has a line for each device. */
#define CGROUP_METER_FILE_MAX  16384
#define CGROUP_METER_DEPTH_MAX 16

struct cgroup_meter {
	struct cgroup hosts; /* a group without a name: the tops */
	int tops[CGROUP_HIERARCHIES_MAX];
};

/* The digits at s; no more than fit. */
static int64_t cgroup_meter_digits(const char *s)
{
	int64_t value = 0;

	for (; *s >= '0' && *s <= '9' && value < INT64_MAX / 100; s++)
		value = value * 10 + (*s - '0');
	return value;
}

/* Behind "KEY " at the beginning of a line; -1: there is no such line. */
static int64_t cgroup_meter_key(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; *line; line++) {
		if (!strncmp(line, key, len) && line[len] == ' ')
			return cgroup_meter_digits(line + len + 1);
		line = strchrnul(line, '\n');
		if (!*line)
			break;
	}
	return -1;
}

static int64_t cgroup_meter_number(const char *text)
{
	return *text >= '0' && *text <= '9' ? cgroup_meter_digits(text) : -1;
}

/* The sum of all figures behind the key, on any line: of all devices. */
static int64_t cgroup_meter_sum(const char *text, const char *key)
{
	int64_t sum = 0;

	for (const char *at = text; (at = strstr(at, key)); at += strlen(key))
		sum += cgroup_meter_digits(at + strlen(key));
	return sum;
}

int64_t cgroup_meter_pressure(const char *text)
{
	static const char key[] = "some avg10=";
	const char *at = strstr(text, key), *point;

	if (!at)
		return -1;
	at += strlen(key);
	point = at + strspn(at, "0123456789");
	return cgroup_meter_digits(at) * 100 + (*point == '.' && point[1] && point[2]
							? (point[1] - '0') * 10 + (point[2] - '0')
							: 0);
}

static void cgroup_meter_memory(const char *text, struct cgroup_stats *ret)
{
	ret->memory = cgroup_meter_number(text);
}

/* After the file above. */
static void cgroup_meter_pages(int64_t active_anon, int64_t inactive_anon, int64_t inactive_file,
			       struct cgroup_stats *ret)
{
	ret->file_idle = inactive_file;
	ret->anon_idle = inactive_anon;
	ret->anon = active_anon < 0 || inactive_anon < 0 ? -1 : active_anon + inactive_anon;
	if (inactive_file > 0)
		ret->memory -= inactive_file < ret->memory ? inactive_file : ret->memory;
}

static void cgroup_meter_memory_v1(const char *text, struct cgroup_stats *ret)
{
	cgroup_meter_pages(cgroup_meter_key(text, "total_active_anon"),
			   cgroup_meter_key(text, "total_inactive_anon"),
			   cgroup_meter_key(text, "total_inactive_file"), ret);
	ret->swap = cgroup_meter_key(text, "total_swap");
}

static void cgroup_meter_memory_v2(const char *text, struct cgroup_stats *ret)
{
	cgroup_meter_pages(cgroup_meter_key(text, "active_anon"),
			   cgroup_meter_key(text, "inactive_anon"),
			   cgroup_meter_key(text, "inactive_file"), ret);
}

static void cgroup_meter_swap(const char *text, struct cgroup_stats *ret)
{
	ret->swap = cgroup_meter_number(text);
}

static void cgroup_meter_oom(const char *text, struct cgroup_stats *ret)
{
	ret->oom_kills = cgroup_meter_key(text, "oom_kill");
}

static void cgroup_meter_cpuacct(const char *text, struct cgroup_stats *ret)
{
	ret->cpu_ns = cgroup_meter_number(text);
}

static void cgroup_meter_throttled_v1(const char *text, struct cgroup_stats *ret)
{
	ret->throttled = cgroup_meter_key(text, "nr_throttled");
	ret->periods = cgroup_meter_key(text, "nr_periods");
	ret->throttled_ns = cgroup_meter_key(text, "throttled_time");
}

/* The core counts CPU time in every group, with or without the cpu controller. */
static void cgroup_meter_cpu_v2(const char *text, struct cgroup_stats *ret)
{
	int64_t usage = cgroup_meter_key(text, "usage_usec");
	int64_t throttled = cgroup_meter_key(text, "throttled_usec");

	ret->throttled = cgroup_meter_key(text, "nr_throttled");
	ret->periods = cgroup_meter_key(text, "nr_periods");
	if (usage >= 0)
		ret->cpu_ns = usage * 1000;
	if (throttled >= 0)
		ret->throttled_ns = throttled * 1000;
}

static void cgroup_meter_pids(const char *text, struct cgroup_stats *ret)
{
	ret->pids = cgroup_meter_number(text);
}

static void cgroup_meter_io_v1(const char *text, struct cgroup_stats *ret)
{
	ret->read_bytes = cgroup_meter_sum(text, " Read ");
	ret->written_bytes = cgroup_meter_sum(text, " Write ");
}

static void cgroup_meter_io_v2(const char *text, struct cgroup_stats *ret)
{
	ret->read_bytes = cgroup_meter_sum(text, "rbytes=");
	ret->written_bytes = cgroup_meter_sum(text, "wbytes=");
}

static void cgroup_meter_pressure_cpu(const char *text, struct cgroup_stats *ret)
{
	ret->pressure[CGROUP_PRESSURE_CPU] = cgroup_meter_pressure(text);
}

static void cgroup_meter_pressure_memory(const char *text, struct cgroup_stats *ret)
{
	ret->pressure[CGROUP_PRESSURE_MEMORY] = cgroup_meter_pressure(text);
}

static void cgroup_meter_pressure_io(const char *text, struct cgroup_stats *ret)
{
	ret->pressure[CGROUP_PRESSURE_IO] = cgroup_meter_pressure(text);
}

/* In the order in which they are read. */
static const struct cgroup_meter_file {
	int version;
	unsigned int controller;
	const char *name;
	void (*read)(const char *text, struct cgroup_stats *ret);
} cgroup_meter_files[] = {
	{ 1, CGROUP_MEMORY, "memory.usage_in_bytes", cgroup_meter_memory },
	{ 1, CGROUP_MEMORY, "memory.stat", cgroup_meter_memory_v1 },
	{ 1, CGROUP_MEMORY, "memory.oom_control", cgroup_meter_oom },
	{ 1, CGROUP_CPUACCT, "cpuacct.usage", cgroup_meter_cpuacct },
	{ 1, CGROUP_CPU, "cpu.stat", cgroup_meter_throttled_v1 },
	{ 1, CGROUP_PIDS, "pids.current", cgroup_meter_pids },
	{ 1, CGROUP_BLKIO, "blkio.throttle.io_service_bytes_recursive", cgroup_meter_io_v1 },
	{ 2, CGROUP_CORE, "cpu.stat", cgroup_meter_cpu_v2 },
	{ 2, CGROUP_CORE, "cpu.pressure", cgroup_meter_pressure_cpu },
	{ 2, CGROUP_CORE, "memory.pressure", cgroup_meter_pressure_memory },
	{ 2, CGROUP_CORE, "io.pressure", cgroup_meter_pressure_io },
	{ 2, CGROUP_MEMORY, "memory.current", cgroup_meter_memory },
	{ 2, CGROUP_MEMORY, "memory.stat", cgroup_meter_memory_v2 },
	{ 2, CGROUP_MEMORY, "memory.swap.current", cgroup_meter_swap },
	{ 2, CGROUP_MEMORY, "memory.events", cgroup_meter_oom },
	{ 2, CGROUP_PIDS, "pids.current", cgroup_meter_pids },
	{ 2, CGROUP_BLKIO, "io.stat", cgroup_meter_io_v2 },
};

struct cgroup_meter *cgroup_meter_new(void)
{
	struct cgroup_meter *meter = mem_zalloc(sizeof(*meter));

	(void)cgroup_host_scan(&meter->hosts,
			       CGROUP_CORE | CGROUP_MEMORY | CGROUP_CPU | CGROUP_CPUACCT |
				       CGROUP_PIDS | CGROUP_BLKIO,
			       NULL);
	for (size_t i = 0; i < meter->hosts.n; i++) {
		const struct cgroup_dir *dir = &meter->hosts.dirs[i];

		meter->tops[i] = openat(dir->root, *dir->top ? dir->top : ".",
					O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return meter;
}

struct cgroup_meter *cgroup_meter_free(struct cgroup_meter *meter)
{
	if (!meter)
		return NULL;
	for (size_t i = 0; i < meter->hosts.n; i++) {
		fd_close(meter->tops[i]);
		fd_close(meter->hosts.dirs[i].root);
	}
	free(meter->hosts.dirs);
	free(meter);
	return NULL;
}

static ssize_t cgroup_meter_load(struct fds *fds, int dir, const char *name, char *text,
				 size_t size)
{
	int fd = fds_add(fds, openat(dir, name, O_RDONLY | O_CLOEXEC));
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	return n;
}

static int64_t cgroup_meter_lines(int dir)
{
	_cleanup_close_ int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char text[4096];
	int64_t lines = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			lines += text[i] == '\n';
	}
	return lines;
}

/* Where nothing counts them. A group that has none below it has two links. */
static int64_t cgroup_meter_count(int fd, int depth)
{
	int64_t n = cgroup_meter_lines(fd);
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_close_ int copy = -EBADF;
	struct dirent *entry;
	struct stat st;

	if (depth > CGROUP_METER_DEPTH_MAX || fstat(fd, &st) < 0 || st.st_nlink <= 2)
		return n;
	copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = copy < 0 ? NULL : fdopendir(copy);
	if (dir)
		(void)take_fd(&copy);
	while (dir && (entry = readdir(dir))) {
		_cleanup_close_ int child = -EBADF;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		child = openat(fd, entry->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			n += cgroup_meter_count(child, depth + 1);
	}
	return n;
}

static int cgroup_meter_is_of_memory(const struct cgroup_meter_file *file)
{
	return !strncmp(file->name, "memory.", strlen("memory.")) && file->read != cgroup_meter_oom;
}

static void cgroup_meter_read_dir(const struct cgroup_dir *dir, int fd, int only_memory,
				  struct fds *fds, struct cgroup_stats *ret)
{
	char text[CGROUP_METER_FILE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cgroup_meter_files); i++) {
		const struct cgroup_meter_file *file = &cgroup_meter_files[i];

		if (file->version == dir->ops->version && (file->controller & dir->controllers) &&
		    (!only_memory || cgroup_meter_is_of_memory(file)) &&
		    cgroup_meter_load(fds, fd, file->name, text, sizeof(text)) > 0)
			file->read(text, ret);
	}
}

void cgroup_meter_read_memory(const struct cgroup_meter *meter, const char *path,
			      struct cgroup_stats *ret)
{
	_cleanup_fds_ struct fds fds = FDS_INIT;

	*ret = CGROUP_STATS_UNKNOWN;
	for (size_t i = 0; i < meter->hosts.n; i++) {
		const struct cgroup_dir *dir = &meter->hosts.dirs[i];
		int fd;

		if (dir->ops->version == 1 && !(dir->controllers & CGROUP_MEMORY))
			continue;
		fd = fds_add(&fds, openat(meter->tops[i], path, O_PATH | O_DIRECTORY | O_CLOEXEC));
		if (fd >= 0)
			cgroup_meter_read_dir(dir, fd, 1, &fds, ret);
	}
}

void cgroup_meter_read(const struct cgroup_meter *meter, const char *path, struct cgroup_stats *ret)
{
	_cleanup_fds_ struct fds fds = FDS_INIT;
	_cleanup_close_ int anywhere = -EBADF;

	*ret = CGROUP_STATS_UNKNOWN;
	for (size_t i = 0; i < meter->hosts.n; i++) {
		int fd = openat(meter->tops[i], path, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			continue;
		cgroup_meter_read_dir(&meter->hosts.dirs[i], fd, 0, &fds, ret);
		/* its processes are in all hierarchies */
		if (anywhere < 0)
			anywhere = fd;
		else
			(void)fds_add(&fds, fd);
	}
	if (ret->pids < 0 && anywhere >= 0)
		ret->pids = cgroup_meter_count(anywhere, 0);
}
