// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/procstat.h"
#include "base/mem.h"
#include "base/units.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* 52 numbers and a name */
#define PROCSTAT_MAX 2048

/* A number may be negative in some fields, which nobody asks for. */
static const char *procstat_next_number(const char *text, uint64_t *ret)
{
	const char *digits;

	if (*text++ != ' ')
		return NULL;
	digits = text += *text == '-';
	for (*ret = 0; *text >= '0' && *text <= '9'; text++)
		*ret = *ret * 10 + (uint64_t)(*text - '0');
	return text == digits ? NULL : text;
}

int procstat_fields(pid_t pid, unsigned int first, uint64_t *values, size_t n)
{
	char path[32] = "/proc/self/stat", text[PROCSTAT_MAX];
	_cleanup_close_ int fd = -EBADF;
	const char *at;
	ssize_t len;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	text[len] = '\0';
	at = strrchr(text, ')');
	at = at && at[1] == ' ' && at[2] ? at + 3 : NULL;
	for (size_t i = PROCSTAT_FIRST; at && i < first + n; i++) {
		uint64_t value = 0;

		at = procstat_next_number(at, &value);
		if (at && i >= first)
			values[i - first] = value;
	}
	return at ? 0 : -EBADMSG;
}

int procstat_read(pid_t pid, struct procstat *ret)
{
	uint64_t fields[PROCSTAT_START_TIME - PROCSTAT_FIRST + 1];
	int r = procstat_fields(pid, PROCSTAT_FIRST, fields, sizeof(fields) / sizeof(*fields));

	if (r < 0)
		return r;
	/* the parent is the first */
	*ret = (struct procstat){ .parent = (pid_t)fields[0],
				  .start_time = fields[PROCSTAT_START_TIME - PROCSTAT_FIRST] };
	return 0;
}

static int procstat_open_pid_namespace(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int procstat_is_same(const struct stat *one, const struct stat *other)
{
	return one->st_ino == other->st_ino && one->st_dev == other->st_dev;
}

static int procstat_is_in(pid_t pid, const struct stat *namespace)
{
	int fd = procstat_open_pid_namespace(pid);

	while (fd >= 0) {
		struct stat st;
		int above;

		if (fstat(fd, &st) == 0 && procstat_is_same(&st, namespace)) {
			fd_close(fd);
			return 1;
		}
		/* -EPERM above our own */
		above = ioctl(fd, NS_GET_PARENT);
		fd_close(fd);
		fd = above;
	}
	return 0;
}

int procstat_pids_beside(pid_t first, pid_t **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = procstat_open_pid_namespace(first);
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	_cleanup_free_ pid_t *pids = NULL;
	struct dirent *entry;
	struct stat namespace, ours;
	size_t n = 0, size = 0;

	if (fd < 0 || !proc || fstat(fd, &namespace) < 0 || stat("/proc/self/ns/pid", &ours) < 0)
		return -errno;
	if (procstat_is_same(&namespace, &ours))
		return -EXDEV;
	while ((entry = readdir(proc))) {
		struct err unused = ERR_INIT;
		int64_t pid = 0;

		if (units_parse_int(entry->d_name, 1, INT32_MAX, &pid, &unused) < 0 ||
		    !procstat_is_in((pid_t)pid, &namespace))
			continue;
		if (n == size) {
			size = size ? 2 * size : 64;
			pids = mem_realloc(pids, size, sizeof(*pids));
		}
		pids[n++] = (pid_t)pid;
	}
	*ret = take_ptr(pids);
	*ret_n = n;
	return 0;
}
