// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/container.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "container/rdt.h"
#include "container/scope.h"
#include "sys/procstat.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

static int container_is_frozen(const struct container *container)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	const char *path = container->store.cgroup;

	return path && cgroup_open_for(path, CGROUP_CORE | CGROUP_FREEZER, &cgroup) == 0 &&
	       cgroup_is_frozen(cgroup) > 0;
}

int container_open(const struct oci_context *oci, const char *id, int lock, struct container *ret,
		   struct err *err)
{
	int r;

	*ret = CONTAINER_INIT;
	ret->systemd = oci->systemd;
	r = store_open(oci->root, id, lock, &ret->store, err);
	if (r < 0)
		return r;
	ret->pidfd = store_pidfd(&ret->store);
	ret->status =
		store_status(&ret->store, ret->pidfd, ret->pidfd >= 0 && container_is_frozen(ret));
	/* nobody creates it while the lock is ours; who did has been killed */
	if (lock && !ret->store.pid)
		ret->status = STORE_STOPPED;
	return 0;
}

struct cgroup *container_cgroup(struct container *container)
{
	if (!container->cgroup && container->store.cgroup)
		(void)cgroup_open_for(container->store.cgroup, CGROUP_ALL, &container->cgroup);
	return container->cgroup;
}

void container_release(struct container *container)
{
	container->cgroup = cgroup_free(container->cgroup);
	container->pidfd = fd_close(container->pidfd);
	store_release(&container->store);
}

int container_check_alive(const struct container *container, struct err *err)
{
	if (container->pidfd >= 0)
		return 0;
	return err_set(err, -ESRCH, "container not running: '%s' is stopped", container->store.id);
}

void container_pids(struct container *container, pid_t **ret, size_t *ret_n)
{
	*ret = NULL;
	*ret_n = 0;
	if (container_cgroup(container))
		(void)cgroup_pids(container->cgroup, ret, ret_n);
	else if (container->pidfd >= 0)
		(void)procstat_pids_beside((pid_t)container->store.pid, ret, ret_n);
}

/* SIGKILL to the first process takes its pid namespace along; the rest is in the cgroup. */
static int container_end(struct container *container, struct err *err)
{
	struct pollfd poller = { .fd = container->pidfd, .events = POLLIN };
	struct err ignored = ERR_INIT;

	if (container->pidfd >= 0)
		(void)pidfd_send_signal(container->pidfd, SIGKILL, NULL, 0);
	/* version 1's freezer holds the dying, too */
	if (container_cgroup(container) && container->pidfd >= 0)
		(void)cgroup_freeze(container->cgroup, 0, &ignored);
	if (container->pidfd >= 0 && poll(&poller, 1, CONTAINER_END_MS) <= 0)
		return err_set(err, -EBUSY, "the first process of '%s' does not end",
			       container->store.id);
	if (!container->cgroup)
		return 0;
	cgroup_keep_parents(container->cgroup);
	return cgroup_destroy(container->cgroup, CONTAINER_END_MS, err);
}

static void container_run_last_hooks(const struct container *container)
{
	_cleanup_config_ struct config config = { 0 };
	struct err err = ERR_INIT;
	struct spec spec = { 0 };

	if (store_load_config(&container->store, &config, &err) < 0) {
		log_notice("no poststop hooks: %s", err.msg);
		return;
	}
	spec_set_hooks(&spec, &config, container->store.id, container->store.bundle);
	spec_hooks_run_last(&spec);
}

static void container_remove_rdt(const struct container *container)
{
	struct err err = ERR_INIT;
	_cleanup_close_ int root = container->store.rdt ? rdt_open_root(&err) : -EBADF;

	if (root >= 0)
		rdt_remove(root, container->store.rdt);
	else if (err_is_set(&err))
		log_notice("%s", err.msg);
}

int container_remove(struct container *container, const struct spec *spec, struct err *err)
{
	int r = container_end(container, err);

	if (r == 0 && container->store.unit)
		r = scope_stop(container->systemd, container->store.unit, err);
	if (r < 0)
		return r;
	container_remove_rdt(container);
	if (spec)
		spec_hooks_run_last(spec);
	else
		container_run_last_hooks(container);
	return store_delete(&container->store, err);
}

int container_write_pid(const char *path, pid_t pid, struct err *err)
{
	char text[16];
	int r;

	if (!path)
		return 0;
	snprintf(text, sizeof(text), "%d", pid);
	r = file_replace(AT_FDCWD, path, text, strlen(text), 0644, 0);
	return r < 0 ? err_errno(err, r, "--pid-file %s", path) : 0;
}
