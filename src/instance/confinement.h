/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_CONFINEMENT_H
#define INSTANCE_CONFINEMENT_H

#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"

/*
 * What holds a process in, read from the kernel as it is now, not from what was asked for: ids, capabilities,
 * system call filter, security module, namespaces, devices, covered paths.
 *
 * pid: a process that the caller knows to be the instance's; cgroup: its path, NULL if it has none. The object
 * belongs to the caller. -ESRCH: it has ended.
 */
int confinement_read(pid_t pid, const char *cgroup, struct json **ret, struct err *err);

/* The parts that read text, for it may be a hostile process's; NULL-terminated, of any content. */
void confinement_add_status(struct json *json, char *text);
void confinement_add_mounts(struct json *json, const char *text);
struct json *confinement_id_map(char *text);

#endif
