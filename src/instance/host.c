// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/host.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/meminfo.h"
#include "base/units.h"
#include "instance/admit.h"
#include "instance/stats.h"
#include "sys/cgroup.h"
#include "sys/child.h"
#include "sys/kvm_probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#define HOST_FILE_MAX 65536
#define HOST_QEMU     "qemu-system-x86_64"
#define HOST_NODES    "/sys/devices/system/node"

struct host_work {
	struct host *host;
	struct instance_view *views; /* of those that run */
	size_t n;
};

static int64_t host_pressure(const char *path)
{
	_cleanup_free_ char *text = NULL;

	return file_read(AT_FDCWD, path, HOST_FILE_MAX, &text, NULL) < 0
		       ? -1
		       : cgroup_meter_pressure(text);
}

static void host_read_node(struct host *host, int id)
{
	_cleanup_free_ char *info = mem_printf(HOST_NODES "/node%d/meminfo", id);
	_cleanup_free_ char *list = mem_printf(HOST_NODES "/node%d/cpulist", id);
	_cleanup_free_ char *text = NULL;
	struct host_node *node;

	if (file_read(AT_FDCWD, info, HOST_FILE_MAX, &text, NULL) < 0)
		return;
	host->nodes = mem_realloc(host->nodes, host->n_nodes + 1, sizeof(*host->nodes));
	node = &host->nodes[host->n_nodes++];
	*node = (struct host_node){ .id = id,
				    .memory_total = meminfo_bytes(text, "MemTotal"),
				    .memory_free = meminfo_bytes(text, "MemFree") };
	if (file_read(AT_FDCWD, list, HOST_FILE_MAX, &node->cpus, NULL) == 0)
		node->cpus[strcspn(node->cpus, "\n")] = '\0';
}

static int host_compare_nodes(const void *a, const void *b)
{
	return ((const struct host_node *)a)->id - ((const struct host_node *)b)->id;
}

/* A kernel without NUMA has none. */
static void host_read_nodes(struct host *host)
{
	_cleanup_closedir_ DIR *dir = opendir(HOST_NODES);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) && host->n_nodes < HOST_NODES_MAX) {
		struct err ignored = ERR_INIT;
		int64_t id;

		if (!strncmp(entry->d_name, "node", 4) &&
		    units_parse_int(entry->d_name + 4, 0, INT32_MAX, &id, &ignored) == 0)
			host_read_node(host, (int)id);
	}
	if (host->n_nodes)
		qsort(host->nodes, host->n_nodes, sizeof(*host->nodes), host_compare_nodes);
}

static int host_read_machine(struct host *host, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read(AT_FDCWD, "/proc/meminfo", HOST_FILE_MAX, &text, NULL);

	if (r < 0)
		return err_errno(err, r, "cannot read /proc/meminfo");
	host->memory_total = meminfo_bytes(text, "MemTotal");
	host->memory_available = meminfo_bytes(text, "MemAvailable");
	host->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	host->pressure[CGROUP_PRESSURE_CPU] = host_pressure("/proc/pressure/cpu");
	host->pressure[CGROUP_PRESSURE_MEMORY] = host_pressure("/proc/pressure/memory");
	host->pressure[CGROUP_PRESSURE_IO] = host_pressure("/proc/pressure/io");
	host_read_nodes(host);
	return 0;
}

static void host_count_promise(struct host *host, const struct instance *record)
{
	host->memory_promised += record->memory;
	host->memory_unlimited += !record->memory;
	host->memory_reserved += admit_promise(record);
	host->cpus_promised_milli += record->cpus_milli;
	host->cpus_unlimited += !record->cpus_milli;
}

static int host_count(struct instance_view *view, void *ctx)
{
	struct host_work *work = ctx;

	if (view->damaged) {
		work->host->damaged++;
		return 0;
	}
	work->host->counts[view->record.kind][view->state]++;
	if (!view->alive)
		return 0;
	host_count_promise(work->host, &view->record);
	work->views = mem_realloc(work->views, work->n + 1, sizeof(*work->views));
	work->views[work->n++] = *view;
	*view = (struct instance_view){ .alive = 0 };
	return 0;
}

static void host_add_used(const struct instance_home *home, struct host_work *work)
{
	_cleanup_free_ struct stats_item *items = mem_zalloc((work->n + 1) * sizeof(*items));

	for (size_t i = 0; i < work->n; i++)
		items[i].view = &work->views[i];
	stats_read(home, 0, items, work->n);
	for (size_t i = 0; i < work->n; i++) {
		if (items[i].stats.memory_host > 0)
			work->host->memory_used += items[i].stats.memory_host;
		instance_view_release(&work->views[i]);
	}
	free(work->views);
}

static void host_read_engines(const struct instance_home *home, struct host *host)
{
	_cleanup_free_ char *cache = mem_printf("%s/cache", home->root);
	_cleanup_free_ char *qemu = child_find(HOST_QEMU);
	struct kvm_probe_result kvm;

	(void)kvm_probe(cache, &kvm);
	host->kvm = kvm_probe_names[kvm.verdict];
	host->vm_engine = kvm.verdict == KVM_PROBE_OK ? "kvm" : qemu ? "qemu" : "none";
	host->cgroups = cgroup_host_layout_names[cgroup_host_layout()];
}

int host_read(const struct instance_home *home, struct host *ret, struct err *err)
{
	struct host_work work = { .host = ret };
	int r;

	*ret = (struct host){ .cpus = 0 };
	r = host_read_machine(ret, err);
	if (r < 0)
		return r;
	r = instance_each(home, host_count, &work, err);
	host_add_used(home, &work);
	host_read_engines(home, ret);
	if (r < 0)
		host_release(ret);
	return r;
}

void host_release(struct host *host)
{
	for (size_t i = 0; i < host->n_nodes; i++)
		free(host->nodes[i].cpus);
	free(host->nodes);
	*host = (struct host){ .cpus = 0 };
}
