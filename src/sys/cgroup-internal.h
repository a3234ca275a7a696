/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_CGROUP_INTERNAL_H
#define SYS_CGROUP_INTERNAL_H

#include <stdint.h>

#include "sys/cgroup.h"

/* The files of one version. fd: the group's folder in one hierarchy. Errors are -errno. */
struct cgroup_ops {
	int version;
	const char *join_file; /* a process that writes "0" there moves itself */
	int (*set_memory)(int fd, int64_t bytes);
	int (*set_cpus)(int fd, int64_t milli);
	int (*set_pids)(int fd, int64_t n);
	int (*set_devices)(int fd, const struct cgroup_device *rules, size_t n);
	int (*freeze)(int fd, int frozen);
	int (*is_frozen)(int fd);
	int (*kill)(int fd); /* -ENOENT: has no file for it */
	/* Fills what the controllers of this hierarchy know; leaves the rest. */
	void (*stats)(int fd, unsigned int controllers, struct cgroup_stats *stats);
};

extern const struct cgroup_ops cgroup_v1_ops, cgroup_v2_ops;

#define CGROUP_ROOT	"/sys/fs/cgroup"
#define CGROUP_FILE_MAX (1U << 20)

struct cgroup_dir {
	const struct cgroup_ops *ops;
	unsigned int controllers;
	uint64_t id; /* of the hierarchy */
	int root;    /* its top */
	int fd;	     /* the group in it */
};

struct cgroup {
	char *path;
	int keep_parents;
	struct cgroup_dir dirs[CGROUP_HIERARCHIES_MAX];
	size_t n;
};

/*
 * Opens the tops of the hierarchies that have something of `need` (CGROUP_*) into cgroup->dirs; of version 1 those that
 * have the group, if given.
 */
enum cgroup_layout cgroup_host_scan(struct cgroup *cgroup, unsigned int need, const char *group);
/* Those of `need` that version 2 can hand out below this folder of its. */
unsigned int cgroup_host_available(int folder, unsigned int need);
/* Hands the controllers of version 2 down to where the group is; each level has to pass them on by itself. */
void cgroup_host_enable(int root, const char *path, unsigned int controllers);

/* Where the group has the controller, or NULL. */
static inline const struct cgroup_dir *cgroup_dir_of(const struct cgroup *cgroup,
						     unsigned int controller)
{
	for (size_t i = 0; cgroup && i < cgroup->n; i++) {
		if (cgroup->dirs[i].controllers & controller)
			return &cgroup->dirs[i];
	}
	return NULL;
}

/* One number in a file ("max" is UINT64_MAX); or the number behind key in a "key value" file. */
int cgroup_read_number(int fd, const char *file, uint64_t *ret);
int cgroup_read_key(int fd, const char *file, const char *key, uint64_t *ret);
int cgroup_write_number(int fd, const char *file, int64_t value);

/*
 * A fresh cpuset has no processors and no memory nodes, and takes no process. Gives those of the parent to
 * each level of path that has none; cgroup.clone_children would do so, but is the host's to set.
 */
int cgroup_v1_fill_cpuset(int root, const char *path);

#endif
