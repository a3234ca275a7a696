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
};

extern const struct cgroup_ops cgroup_v1_ops, cgroup_v2_ops;

#define CGROUP_ROOT	"/sys/fs/cgroup"
#define CGROUP_FILE_MAX (1U << 20)
/* Of the path of a hierarchy's top. */
#define CGROUP_TOP_MAX 64

/*
 * A group's part in one hierarchy. Most are but made, entered and removed, which goes by path: it is opened when its
 * files are wanted.
 */
struct cgroup_dir {
	const struct cgroup_ops *ops;
	unsigned int controllers;
	uint64_t id;		  /* of the hierarchy */
	int root;		  /* AT_FDCWD; or the top of one that is mounted nowhere */
	char top[CGROUP_TOP_MAX]; /* the top, with a slash; "" from such a root */
	int made;		  /* by us, and fresh */
	int fd;			  /* the group; see cgroup_dir_open() */
};

struct cgroup {
	char *path;
	int keep_parents;
	struct cgroup_dir *dirs; /* CGROUP_HIERARCHIES_MAX of them */
	size_t n;
};

/*
 * Finds the hierarchies that have something of `need` (CGROUP_*) for cgroup->dirs; of version 1 those that have the
 * group, if given.
 */
enum cgroup_layout cgroup_host_scan(struct cgroup *cgroup, unsigned int need, const char *group);
/* Those of `need` that version 2 can hand out below a group of its ("": its top). */
unsigned int cgroup_host_available(const struct cgroup_dir *dir, const char *group,
				   unsigned int need);
/* Hands the controllers of version 2 down to where the group is; each level has to pass them on by itself. */
void cgroup_host_enable(const struct cgroup_dir *dir, const char *group, unsigned int controllers);

/* The path of a file of the group ("": of the group), from dir->root; caller frees. */
char *cgroup_dir_path(const struct cgroup_dir *dir, const char *group, const char *file);
/* The group's folder, which stays open with the group; -errno. */
int cgroup_dir_open(const struct cgroup *cgroup, struct cgroup_dir *dir);
/* Where the group has the controller, or NULL; and the same, opened. */
struct cgroup_dir *cgroup_dir_find(const struct cgroup *cgroup, unsigned int controller);
struct cgroup_dir *cgroup_dir_of(const struct cgroup *cgroup, unsigned int controller);

/* One number in a file ("max" is UINT64_MAX); or the number behind key in a "key value" file. */
int cgroup_read_number(int fd, const char *file, uint64_t *ret);
int cgroup_read_key(int fd, const char *file, const char *key, uint64_t *ret);
int cgroup_write_number(int fd, const char *file, int64_t value);

/*
 * A fresh cpuset has no processors and no memory nodes, and takes no process. Gives those of the parent to
 * each level of the group's path that has none; cgroup.clone_children would do so, but is the host's to set.
 */
int cgroup_v1_fill_cpuset(const struct cgroup_dir *dir, const char *group);

#endif
