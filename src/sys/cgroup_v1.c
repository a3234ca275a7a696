// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/cgroup-internal.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>
#include "base/mem.h"

#define CGROUP_V1_PERIOD_US 100000
#define CGROUP_V1_STATE_MAX 64
/* Of a list of processors or nodes. */
#define CGROUP_V1_LIST_MAX (1U << 16)

static char *cgroup_v1_cpuset_file(const char *level, int len, const char *name)
{
	return mem_printf("%.*s%scpuset.%s", len, level, len ? "/" : "", name);
}

/* A way down from a hierarchy's top, whose own path ends at `top`. */
struct cgroup_v1_way {
	const char *path;
	int root, top;
};

/* The length of the way's path without its last name. */
static int cgroup_v1_parent(const struct cgroup_v1_way *way, int len)
{
	while (len > way->top && way->path[--len] != '/')
		;
	return len;
}

static int cgroup_v1_is_list(const char *text)
{
	return text[strspn(text, " \n")] != '\0';
}

/* What is made below the group from now on begins with its processors and nodes (cgroup-v1/cpusets.rst, 1.6). */
static void cgroup_v1_hand_down(const struct cgroup_v1_way *way, int len)
{
	_cleanup_free_ char *file =
		mem_printf("%.*s%scgroup.clone_children", len, way->path, len ? "/" : "");

	(void)file_write_value(way->root, file, "1");
}

/* Both or none are; nodes are the shorter list. */
static int cgroup_v1_is_handed_down(const struct cgroup_v1_way *way, int len)
{
	_cleanup_free_ char *file = cgroup_v1_cpuset_file(way->path, len, "mems");
	_cleanup_free_ char *value = NULL;

	return file_read(way->root, file, CGROUP_V1_LIST_MAX, &value, NULL) == 0 &&
	       cgroup_v1_is_list(value);
}

/* Asks the group first, and who is above only if it has none; all but the first container find one that has. */
static int cgroup_v1_fill_from_above(const struct cgroup_v1_way *way, int len, int fresh,
				     const char *name, char **ret)
{
	_cleanup_free_ char *file = cgroup_v1_cpuset_file(way->path, len, name);
	_cleanup_free_ char *value = NULL, *above = NULL;
	int r = fresh ? 0 : file_read(way->root, file, CGROUP_V1_LIST_MAX, &value, NULL);

	if (r < 0)
		return r;
	if (value && (len <= way->top || cgroup_v1_is_list(value))) {
		*ret = take_ptr(value);
		return 0;
	}
	r = cgroup_v1_fill_from_above(way, cgroup_v1_parent(way, len), 0, name, &above);
	if (r == 0)
		r = file_write_value(way->root, file, above);
	if (r == 0 && !fresh)
		cgroup_v1_hand_down(way, len);
	if (r == 0)
		*ret = take_ptr(above);
	return r;
}

int cgroup_v1_fill_cpuset(const struct cgroup_dir *dir, const char *group)
{
	static const char *const names[] = { "cpus", "mems" };
	_cleanup_free_ char *path = cgroup_dir_path(dir, group, "");
	const struct cgroup_v1_way way = {
		.path = path,
		.root = dir->root,
		.top = *dir->top ? (int)strlen(dir->top) - 1 : 0,
	};
	int len = (int)strlen(path), r = 0;

	if (dir->made && cgroup_v1_is_handed_down(&way, len))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names) && r == 0; i++) {
		_cleanup_free_ char *value = NULL;

		r = cgroup_v1_fill_from_above(&way, len, dir->made, names[i], &value);
	}
	return r;
}

static int cgroup_v1_set_memory(int fd, int64_t bytes)
{
	int r = cgroup_write_number(fd, "memory.limit_in_bytes", bytes);

	if (r < 0)
		return r;
	/* Only kernels that account swap have it; without, swap use is not limited. */
	r = cgroup_write_number(fd, "memory.memsw.limit_in_bytes", bytes);
	return r == -ENOENT ? 0 : r;
}

static int cgroup_v1_set_cpus(int fd, int64_t milli)
{
	int r = cgroup_write_number(fd, "cpu.cfs_period_us", CGROUP_V1_PERIOD_US);

	if (r < 0)
		return r;
	return cgroup_write_number(fd, "cpu.cfs_quota_us", milli * (CGROUP_V1_PERIOD_US / 1000));
}

static int cgroup_v1_set_pids(int fd, int64_t n)
{
	return cgroup_write_number(fd, "pids.max", n);
}

static void cgroup_v1_device_text(const struct cgroup_device *rule, char *text, size_t size)
{
	char major[24] = "*", minor[24] = "*";

	if (rule->major >= 0)
		snprintf(major, sizeof(major), "%lld", (long long)rule->major);
	if (rule->minor >= 0)
		snprintf(minor, sizeof(minor), "%lld", (long long)rule->minor);
	if (rule->type == 'a')
		snprintf(text, size, "a");
	else
		snprintf(text, size, "%c %s:%s %.3s", rule->type, major, minor, rule->access);
}

/* One write for each rule, as the kernel wants it. */
static int cgroup_v1_set_devices(int fd, const struct cgroup_device *rules, size_t n)
{
	_cleanup_close_ int allow = openat(fd, "devices.allow", O_WRONLY | O_CLOEXEC);
	_cleanup_close_ int deny = openat(fd, "devices.deny", O_WRONLY | O_CLOEXEC);

	if (allow < 0 || deny < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		char text[64];

		cgroup_v1_device_text(&rules[i], text, sizeof(text));
		if (write(rules[i].allow ? allow : deny, text, strlen(text)) < 0)
			return -errno;
	}
	return 0;
}

static int cgroup_v1_freeze(int fd, int frozen)
{
	return file_write_value(fd, "freezer.state", frozen ? "FROZEN" : "THAWED");
}

static int cgroup_v1_is_frozen(int fd)
{
	_cleanup_free_ char *state = NULL;
	int r = file_read(fd, "freezer.state", CGROUP_V1_STATE_MAX, &state, NULL);

	return r < 0 ? r : strncmp(state, "THAWED", 6) != 0;
}

static int cgroup_v1_kill(_unused_ int fd)
{
	return -ENOENT;
}

const struct cgroup_ops cgroup_v1_ops = {
	.version = 1,
	.join_file = "tasks",
	.set_memory = cgroup_v1_set_memory,
	.set_cpus = cgroup_v1_set_cpus,
	.set_pids = cgroup_v1_set_pids,
	.set_devices = cgroup_v1_set_devices,
	.freeze = cgroup_v1_freeze,
	.is_frozen = cgroup_v1_is_frozen,
	.kill = cgroup_v1_kill,
};
