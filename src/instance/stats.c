// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Figures and processes of running instances: from their cgroups, and for VMs from their agents too. All agents are asked
 * before the first is waited for, and have one deadline together.
 */
#include "instance/stats.h"
#include "base/mem.h"
#include "base/units.h"
#include "instance/networks.h"
#include "net/port.h"
#include "proto/procs.h"
#include "sys/cgroup.h"
#include "sys/cgroup_meter.h"
#include "sys/link.h"
#include "sys/netlink.h"
#include "sys/procstat.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

/* A guest that does not answer in this time is busy or hostile; nobody waits for it. */
#define STATS_AGENT_MS 200
#define STATS_PROCS_MS 5000
/* Connections at a time. */
#define STATS_AGENTS 256

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

/* Their connections, as poll(2) takes them; that of one who has answered is -EBADF. */
struct stats_agents {
	struct pollfd fds[STATS_AGENTS];
	struct stats_item *items[STATS_AGENTS];
	size_t n, waiting;
};

static void stats_hear(struct stats_item *item, int fd)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct message_stats stats = { 0 };
	struct frame frame = { 0 };

	if (frame_receive(fd, &buf, &frame) < 0 || frame.type != MESSAGE_STATS ||
	    message_get_stats(&frame, &stats) < 0 || stats.memory_used > INT64_MAX)
		return;
	item->stats.memory_guest = (int64_t)stats.memory_used;
	item->stats.pids = (int64_t)(stats.processes & UINT32_MAX);
	item->stats.guest = stats;
}

static void stats_wait(struct stats_agents *agents, int ms)
{
	int64_t deadline = units_monotonic() + ms * INT64_C(1000000);

	while (agents->waiting) {
		int64_t left = (deadline - units_monotonic()) / 1000000;

		if (left < 0 || poll(agents->fds, agents->n, (int)left) <= 0)
			break;
		for (size_t i = 0; i < agents->n; i++) {
			if (agents->fds[i].fd < 0 || !agents->fds[i].revents)
				continue;
			stats_hear(agents->items[i], agents->fds[i].fd);
			agents->fds[i].fd = fd_close(agents->fds[i].fd);
			agents->waiting--;
		}
	}
	for (size_t i = 0; i < agents->n; i++)
		fd_close(agents->fds[i].fd);
	agents->n = agents->waiting = 0;
}

void stats_read_guests(const struct instance_home *home, int ms, struct stats_item *items, size_t n)
{
	struct stats_agents agents = { .n = 0 };

	for (size_t i = 0; i < n; i++) {
		const struct instance_view *view = items[i].view;
		struct err ignored = ERR_INIT;
		int fd = -EBADF;

		if (view->record.kind != INSTANCE_VM || view->state != INSTANCE_RUNNING ||
		    !view->alive || instance_connect(home, view->record.name, &fd, &ignored) < 0)
			continue;
		if (frame_send(fd, 0, MESSAGE_STATS, NULL, 0) < 0) {
			fd_close(fd);
			continue;
		}
		agents.items[agents.n] = &items[i];
		agents.fds[agents.n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		agents.waiting++;
		if (agents.n == STATS_AGENTS)
			stats_wait(&agents, ms);
	}
	stats_wait(&agents, ms);
}

static int stats_compare_links(const void *a, const void *b)
{
	return strcmp(((const struct link *)a)->name, ((const struct link *)b)->name);
}

/* The first whose name is not before this one. */
static size_t stats_find_link(const struct link *links, size_t n, const char *name)
{
	size_t from = 0;

	while (from < n) {
		size_t middle = from + (n - from) / 2;

		if (strcmp(links[middle].name, name) < 0)
			from = middle + 1;
		else
			n = middle;
	}
	return from;
}

/* An instance's devices differ in the last character. What the host's end has sent, the instance has received. */
static void stats_read_ports(const struct instance_home *home, struct stats_item *item,
			     const struct link *links, size_t n)
{
	const struct network_home networks = networks_home(home);
	struct instance_stats *stats = &item->stats;
	char name[NIC_NAME_MAX];
	size_t len;

	port_device_name(&networks, item->view->record.name, 0, name);
	len = strlen(name) - 1;
	for (size_t i = stats_find_link(links, n, name);
	     i < n && !strncmp(links[i].name, name, len); i++) {
		if (stats->received < 0)
			stats->received = stats->sent = 0;
		stats->received += (int64_t)(links[i].stats.tx_bytes & INT64_MAX);
		stats->sent += (int64_t)(links[i].stats.rx_bytes & INT64_MAX);
	}
}

static void stats_read_networks(const struct instance_home *home, struct stats_item *items,
				size_t n)
{
	struct err ignored = ERR_INIT;
	_cleanup_close_ int sock = netlink_open(NETLINK_ROUTE, -EBADF, &ignored);
	_cleanup_free_ struct link *links = NULL;
	size_t found = 0;

	if (sock < 0 || link_list(sock, &links, &found, &ignored) < 0)
		return;
	qsort(links, found, sizeof(*links), stats_compare_links);
	for (size_t i = 0; i < n; i++) {
		if (items[i].view->alive)
			stats_read_ports(home, &items[i], links, found);
	}
}

static void stats_read_group(const struct cgroup_meter *meter, struct stats_item *item)
{
	const struct instance_view *view = item->view;
	struct instance_stats *stats = &item->stats;

	if (view->alive && view->run.cgroup)
		cgroup_meter_read(meter, view->run.cgroup, &stats->group);
	stats->memory_host = stats->group.memory;
	if (view->record.kind == INSTANCE_VM)
		return;
	stats->memory_guest = stats->group.memory;
	stats->pids = stats->group.pids;
}

void stats_read(const struct instance_home *home, unsigned int what, struct stats_item *items,
		size_t n)
{
	_cleanup_cgroup_meter_ struct cgroup_meter *meter = cgroup_meter_new();

	for (size_t i = 0; i < n; i++) {
		items[i].stats =
			(struct instance_stats){ .memory_limit = items[i].view->record.memory,
						 .memory_held = items[i].view->run.memory_held,
						 .memory_host = -1,
						 .memory_guest = -1,
						 .pids = -1,
						 .received = -1,
						 .sent = -1,
						 .group = CGROUP_STATS_UNKNOWN,
						 .taken = units_monotonic() };
		stats_read_group(meter, &items[i]);
	}
	if (what & STATS_NETWORKS)
		stats_read_networks(home, items, n);
	if (what & STATS_GUESTS)
		stats_read_guests(home, STATS_AGENT_MS, items, n);
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
