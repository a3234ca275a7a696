// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/procstat.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* of /proc/PID/stat: 52 numbers and a name */
#define PROCSTAT_MAX 4096
/* proc(5): fields 4 and 22; the state, field 3, is the first behind the name */
#define PROCSTAT_PARENT	    (4 - 3)
#define PROCSTAT_START_TIME (22 - 3)

int procstat_read(pid_t pid, struct procstat *ret)
{
	_cleanup_strv_ char **fields = NULL;
	_cleanup_free_ char *text = NULL;
	struct err unused = ERR_INIT;
	int64_t parent = 0, start = 0;
	const char *end;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = file_read(AT_FDCWD, path, PROCSTAT_MAX, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	end = strrchr(text, ')'); /* the name may have blanks and brackets */
	fields = end ? strv_split(end + 1, " \n") : NULL;
	if (!fields || strv_len(fields) <= PROCSTAT_START_TIME ||
	    units_parse_int(fields[PROCSTAT_PARENT], 0, INT32_MAX, &parent, &unused) < 0 ||
	    units_parse_int(fields[PROCSTAT_START_TIME], 0, INT64_MAX, &start, &unused) < 0)
		return -EBADMSG;
	*ret = (struct procstat){ .parent = (pid_t)parent, .start_time = (uint64_t)start };
	return 0;
}

static int procstat_open_pid_namespace(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int procstat_is_in(pid_t pid, const struct stat *namespace)
{
	int fd = procstat_open_pid_namespace(pid);

	while (fd >= 0) {
		struct stat st;
		int above;

		if (fstat(fd, &st) == 0 && st.st_ino == namespace->st_ino &&
		    st.st_dev == namespace->st_dev) {
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
	struct stat namespace;
	size_t n = 0, size = 0;

	if (fd < 0 || !proc || fstat(fd, &namespace) < 0)
		return -errno;
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
