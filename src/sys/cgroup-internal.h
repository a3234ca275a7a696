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
