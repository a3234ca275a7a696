/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_CGROUP_BPF_H
#define SYS_CGROUP_BPF_H

#include "sys/cgroup.h"

/*
 * Version 2 has no device files; a program in the group decides instead. Makes one of the rules, as version 1
 * takes them (in order, the last match wins; nothing matching is allowed), and attaches it to the group's
 * folder, with which it goes, in place of an earlier one. Returns 0 or -errno.
 */
/* 1: there is such a program at the folder or above it; 0; -errno. */
int cgroup_bpf_is_attached(int fd);
int cgroup_bpf_attach(int fd, const struct cgroup_device *rules, size_t n);

#endif
