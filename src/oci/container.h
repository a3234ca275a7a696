/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_CONTAINER_H
#define OCI_CONTAINER_H

#include "container/spec.h"
#include "oci/store.h"
#include "oci/verb.h"
#include "sys/cgroup.h"

/* A container of the store with what its verbs work on. */
struct container {
	enum scope_manager systemd;
	struct store_container store;
	struct cgroup *cgroup; /* as container_cgroup() has found it */
	int pidfd;	       /* of its first process; -ESRCH if that has ended */
	enum store_status status;
};

#define CONTAINER_INIT                         \
	((struct container){                   \
		.store = STORE_CONTAINER_INIT, \
		.pidfd = -EBADF,               \
	})

/* lock: as store_open() has it. Release it in any case. */
int container_open(const struct oci_context *oci, const char *id, int lock, struct container *ret,
		   struct err *err);
void container_release(struct container *container);
#define _cleanup_container_ _cleanup_(container_release)

/* Opened when first asked for, and the container's; NULL: it has none (any more). */
struct cgroup *container_cgroup(struct container *container);

/* "container not running" unless its first process is alive; its program may not be running yet. */
int container_check_alive(const struct container *container, struct err *err);

/* Its processes, as we number them; caller frees. Without a cgroup, those of its pid namespace. */
void container_pids(struct container *container, pid_t **ret, size_t *ret_n);

/*
 * Ends what is still there of a locked container, runs its last hooks, and removes it. Processes have
 * CONTAINER_END_MS to die, which only the kernel can hold up. spec: who has it knows the hooks; NULL: as the store
 * has kept them.
 */
#define CONTAINER_END_MS 10000
int container_remove(struct container *container, const struct spec *spec, struct err *err);

/* The process ID in a file, as engines wait for it: complete or not there. path may be NULL. */
int container_write_pid(const char *path, pid_t pid, struct err *err);

#endif
