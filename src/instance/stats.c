// SPDX-License-Identifier: GPL-2.0-or-later
/* Figures and processes of a running instance: from its cgroup, and for a VM from its agent too. */
#include "base/mem.h"
#include "instance/instance.h"
#include "proto/procs.h"
#include "sys/cgroup.h"
#include "sys/procstat.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

/* A guest that does not answer in this time is busy or hostile; `ps` does not wait for it. */
#define STATS_AGENT_MS 200
#define STATS_PROCS_MS 5000

/* One question to a VM's agent, with a deadline. *ret_frame lies in buf. */
static int stats_ask(const struct instance_home *home, const char *name, uint16_t type, int ms,
		     struct buf *buf, struct frame *ret_frame, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct pollfd poll_fd;
	int r = instance_connect(home, name, &fd, err);

	if (r < 0)
		return r;
	if (frame_send(fd, 0, type, NULL, 0) < 0)
		return err_set(err, -EPIPE, "the keeper of '%s' went away", name);
	poll_fd = (struct pollfd){ .fd = fd, .events = POLLIN };
	if (poll(&poll_fd, 1, ms) <= 0)
		return err_set(err, -ETIMEDOUT, "the agent of '%s' does not answer", name);
	if (frame_receive(fd, buf, ret_frame) < 0)
		return err_set(err, -EPIPE, "the keeper of '%s' went away", name);
	if (ret_frame->type == MESSAGE_ERROR)
		return message_get_error(ret_frame, err);
	return ret_frame->type == type ? 0 : err_set(err, -EBADMSG, "unexpected answer");
}

static void stats_ask_agent(const struct instance_home *home, const struct instance_view *view,
			    struct instance_stats *ret)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct message_stats stats = { 0 };
	struct err ignored = ERR_INIT;
	struct frame frame = { 0 };

	if (view->state != INSTANCE_RUNNING)
		return;
	if (stats_ask(home, view->record.name, MESSAGE_STATS, STATS_AGENT_MS, &buf, &frame,
		      &ignored) < 0 ||
	    message_get_stats(&frame, &stats) < 0 || stats.memory_used > INT64_MAX)
		return;
	ret->memory_guest = (int64_t)stats.memory_used;
	ret->pids = (int64_t)(stats.processes & UINT32_MAX);
}

void instance_stats(const struct instance_home *home, const struct instance_view *view,
		    struct instance_stats *ret)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	struct cgroup_stats stats = { 0 };

	*ret = (struct instance_stats){ .memory_limit = view->record.memory,
					.memory_host = -1,
					.memory_guest = -1,
					.cpu_ns = -1,
					.pids = -1 };
	if (!view->alive || !view->run.cgroup || cgroup_open(view->run.cgroup, &cgroup) < 0)
		return;
	cgroup_stats(cgroup, &stats);
	ret->memory_host = (int64_t)stats.memory;
	ret->cpu_ns = (int64_t)stats.cpu_ns;
	if (view->record.kind == INSTANCE_VM) {
		stats_ask_agent(home, view, ret);
		return;
	}
	ret->memory_guest = ret->memory_host;
	ret->pids = (int64_t)stats.pids;
}

/* A user's container may have no control group. */
static int stats_pids(const struct instance_view *view, pid_t **ret, size_t *ret_n)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	int r;

	if (!view->run.cgroup)
		return procstat_pids_beside((pid_t)view->run.pid, ret, ret_n);
	r = cgroup_open(view->run.cgroup, &cgroup);
	return r < 0 ? r : cgroup_pids(cgroup, ret, ret_n);
}

static int stats_procs_of_container(const struct instance_view *view, struct procs_entry **ret,
				    size_t *ret_n, struct err *err)
{
	_cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ struct procs_entry *entries = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0, found = 0;
	int r = stats_pids(view, &pids, &n);

	if (r < 0 || proc < 0)
		return err_errno(err, r < 0 ? r : -errno, "cannot read the processes of '%s'",
				 view->record.name);
	entries = mem_zalloc(n * sizeof(*entries));
	for (size_t i = 0; i < n && i < PROCS_MAX; i++) {
		if (procs_read(proc, (uint32_t)pids[i], &entries[found]) == 0)
			found++;
	}
	*ret = take_ptr(entries);
	*ret_n = found;
	return 0;
}

int instance_procs(const struct instance_home *home, const char *name, struct procs_entry **ret,
		   size_t *ret_n, struct err *err)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct frame frame = { 0 };
	int r = instance_view(home, name, &view, err);

	if (r < 0)
		return r;
	if (!view.alive || view.run.pid <= 0)
		return err_set(err, -ESRCH, "'%s' is not running", name);
	if (view.record.kind == INSTANCE_CONTAINER)
		return stats_procs_of_container(&view, ret, ret_n, err);
	r = stats_ask(home, name, MESSAGE_PROCS, STATS_PROCS_MS, &buf, &frame, err);
	if (r < 0)
		return r;
	return procs_get(&frame, ret, ret_n) < 0
		       ? err_set(err, -EBADMSG, "the agent of '%s' sent a broken list", name)
		       : 0;
}
