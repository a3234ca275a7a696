// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/units.h"
#include "sys/cgroup-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* Version 1 counts for whom gives it an eventfd: memory.txt, "OOM Control". */
static int cgroup_oom_open_v1(const struct cgroup_dir *dir, struct cgroup_oom *ret)
{
	_cleanup_close_ int control = openat(dir->fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char text[64];
	int r;

	if (control < 0 || event < 0)
		return -errno;
	snprintf(text, sizeof(text), "%d %d", event, control);
	r = file_write_value(dir->fd, "cgroup.event_control", text);
	if (r == 0)
		*ret = (struct cgroup_oom){ take_fd(&event), EPOLLIN, 0, 1 };
	return r;
}

/* Reading arms the descriptor for the next change; the file has a line "oom_kill N" since 4.13. */
static uint64_t cgroup_oom_read_v2(int fd)
{
	char text[512] = "", *at;
	struct err ignored = ERR_INIT;
	int64_t value = 0;

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	at = strstr(text, "oom_kill ");
	if (!at)
		return 0;
	at += strlen("oom_kill ");
	at[strcspn(at, "\n")] = '\0';
	(void)units_parse_int(at, 0, INT64_MAX, &value, &ignored);
	return (uint64_t)value;
}

int cgroup_oom_open(const struct cgroup *cgroup, struct cgroup_oom *ret, struct err *err)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cgroup, CGROUP_MEMORY);
	int r = dir ? 0 : -EOPNOTSUPP;

	*ret = CGROUP_OOM_INIT;
	if (dir && dir->ops->version == 1) {
		r = cgroup_oom_open_v1(dir, ret);
	} else if (dir) {
		ret->fd = openat(dir->fd, "memory.events", O_RDONLY | O_CLOEXEC);
		ret->events = EPOLLPRI;
		ret->version = 2;
		r = ret->fd < 0 ? -errno : 0;
	}
	if (r < 0)
		return err_errno(err, r, "cannot hear of want of memory in the cgroup %s",
				 cgroup->path);
	ret->seen = ret->version == 2 ? cgroup_oom_read_v2(ret->fd) : 0;
	return 0;
}

uint64_t cgroup_oom_count(struct cgroup_oom *oom)
{
	uint64_t now = 0, seen = oom->seen;

	if (oom->version == 1)
		return read(oom->fd, &now, sizeof(now)) == sizeof(now) ? now : 0;
	now = cgroup_oom_read_v2(oom->fd);
	oom->seen = now > seen ? now : seen;
	return oom->seen - seen;
}

void cgroup_oom_release(struct cgroup_oom *oom)
{
	oom->fd = fd_close(oom->fd);
}

int64_t cgroup_oom_kills(const struct cgroup *cgroup)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cgroup, CGROUP_MEMORY);
	uint64_t kills = 0;

	if (dir)
		(void)cgroup_read_key(
			dir->fd, dir->ops->version == 1 ? "memory.oom_control" : "memory.events",
			"oom_kill", &kills);
	return (int64_t)kills;
}
