// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/namespaces.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080 /* <linux/sched.h> */
#endif

/* config-linux.md, "Namespaces"; link: in /proc/PID/ns, of who is in it or whose children will be */
static const struct {
	const char *name, *link;
	uint64_t type;
} namespaces_names[] = {
	{ "pid", "pid", CLONE_NEWPID },		 { "network", "net", CLONE_NEWNET },
	{ "mount", "mnt", CLONE_NEWNS },	 { "ipc", "ipc", CLONE_NEWIPC },
	{ "uts", "uts", CLONE_NEWUTS },		 { "user", "user", CLONE_NEWUSER },
	{ "cgroup", "cgroup", CLONE_NEWCGROUP }, { "time", "time", CLONE_NEWTIME },
};

uint64_t namespaces_type(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespaces_names); i++) {
		if (!strcmp(namespaces_names[i].name, name))
			return namespaces_names[i].type;
	}
	return 0;
}

const char *namespaces_name(unsigned int i)
{
	return i < ARRAY_SIZE(namespaces_names) ? namespaces_names[i].name : NULL;
}

static const char *namespaces_link(uint64_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespaces_names); i++) {
		if (namespaces_names[i].type == type)
			return namespaces_names[i].link;
	}
	return "";
}

void namespaces_release(struct namespaces *namespaces)
{
	for (size_t i = 0; i < namespaces->n; i++) {
		fd_close(namespaces->list[i].fd);
		fd_close(namespaces->list[i].ours);
	}
	namespaces->n = 0;
}

int namespaces_open(const struct spec *spec, struct namespaces *ret, struct err *err)
{
	*ret = (struct namespaces){ 0 };
	if (spec->n_joins > NAMESPACES_MAX)
		return err_set(err, -E2BIG, "linux.namespaces: more than %d to join",
			       NAMESPACES_MAX);
	for (size_t i = 0; i < spec->n_joins; i++) {
		const struct spec_join *join = &spec->joins[i];
		/* whatever the path leads to: a pipe must not hold us up */
		int fd = open(join->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

		if (fd < 0)
			return err_errno(err, -errno,
					 "linux.namespaces: cannot open the namespace %s",
					 join->path);
		ret->list[i].type = join->type;
		ret->list[i].fd = fd;
		ret->list[i].ours = -EBADF;
		ret->n = i + 1;
		if (ioctl(fd, NS_GET_NSTYPE) != (int)join->type)
			return err_set(err, -EINVAL, "linux.namespaces: %s is no %s namespace",
				       join->path, namespaces_link(join->type));
	}
	return 0;
}

static int namespaces_is_inner(uint64_t type)
{
	return type == CLONE_NEWUSER || type == CLONE_NEWNS;
}

int namespaces_enter(struct namespaces *namespaces, struct err *err)
{
	for (size_t i = 0; i < namespaces->n; i++) {
		uint64_t type = namespaces->list[i].type;
		char path[64];
		int ours;

		if (namespaces_is_inner(type))
			continue;
		snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces_link(type));
		ours = open(path, O_RDONLY | O_CLOEXEC);
		if (ours < 0)
			return err_errno(err, -errno, "cannot open our own namespaces");
		if (setns(namespaces->list[i].fd, (int)type) < 0) {
			int r = -errno;

			fd_close(ours);
			return err_errno(err, r, "linux.namespaces: cannot join a %s namespace",
					 namespaces_link(type));
		}
		namespaces->list[i].ours = ours;
	}
	return 0;
}

int namespaces_leave(struct namespaces *namespaces, struct err *err)
{
	int r = 0;

	for (size_t i = namespaces->n; i-- > 0;) {
		int *ours = &namespaces->list[i].ours;

		if (*ours >= 0 && setns(*ours, (int)namespaces->list[i].type) < 0)
			r = err_errno(err, -errno, "cannot go back to our own %s namespace",
				      namespaces_link(namespaces->list[i].type));
		*ours = fd_close(*ours);
	}
	return r;
}

int namespaces_join(const struct namespaces *namespaces, uint64_t type, struct err *err)
{
	for (size_t i = 0; i < namespaces->n; i++) {
		if (namespaces->list[i].type == type && namespaces->list[i].fd >= 0 &&
		    setns(namespaces->list[i].fd, (int)type) < 0)
			return err_errno(err, -errno,
					 "linux.namespaces: cannot join a %s namespace",
					 namespaces_link(type));
	}
	return 0;
}

int namespaces_has(const struct namespaces *namespaces, uint64_t type)
{
	for (size_t i = 0; i < namespaces->n; i++) {
		if (namespaces->list[i].type == type && namespaces->list[i].fd >= 0)
			return 1;
	}
	return 0;
}

void namespaces_forget(struct namespaces *namespaces, uint64_t type)
{
	for (size_t i = 0; i < namespaces->n; i++) {
		if (namespaces->list[i].type == type)
			namespaces->list[i].fd = fd_close(namespaces->list[i].fd);
	}
}

size_t namespaces_keep(const struct namespaces *namespaces, int *keep)
{
	for (size_t i = 0; i < namespaces->n; i++)
		keep[i] = namespaces->list[i].fd;
	return namespaces->n;
}
