// SPDX-License-Identifier: GPL-2.0-or-later
/* brig info: what the host has and what of it is promised and used; doctor says what is missing and how to mend it. */
#include "base/json.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/home.h"
#include "instance/host.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

struct info_values {
	int json;
};

/* The rest of what is shown, which costs no look at instances. */
struct info {
	struct host host;
	struct utsname kernel;
	int64_t disk_total, disk_free; /* where --root is; -1: unknown */
};

static void info_read_rest(const struct instance_home *home, struct info *info)
{
	struct statvfs disk;

	(void)uname(&info->kernel);
	info->disk_total = info->disk_free = -1;
	if (statvfs(home->root, &disk) < 0)
		return;
	info->disk_total = (int64_t)disk.f_blocks * (int64_t)disk.f_frsize;
	info->disk_free = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
}

static struct json *info_json_pressure(const int64_t pressure[CGROUP_PRESSURES])
{
	static const char *const names[] = { "cpu", "memory", "io" };
	struct json *json = json_new_object();

	for (size_t i = 0; i < CGROUP_PRESSURES; i++)
		json_object_add(json, names[i],
				pressure[i] < 0 ? json_new_null()
						: json_new_double((double)pressure[i] / 100));
	return json;
}

static struct json *info_json_size(int64_t size)
{
	return size < 0 ? json_new_null() : json_new_int(size);
}

static struct json *info_json_nodes(const struct host *host)
{
	struct json *nodes = json_new_array();

	for (size_t i = 0; i < host->n_nodes; i++) {
		struct json *node = json_new_object();

		json_object_add(node, "node", json_new_int(host->nodes[i].id));
		json_object_add(node, "cpus", json_new_string(host->nodes[i].cpus));
		json_object_add(node, "memory_total", info_json_size(host->nodes[i].memory_total));
		json_object_add(node, "memory_free", info_json_size(host->nodes[i].memory_free));
		json_array_add(nodes, node);
	}
	return nodes;
}

static struct json *info_json_memory(const struct host *host)
{
	struct json *memory = json_new_object();

	json_object_add(memory, "total", info_json_size(host->memory_total));
	json_object_add(memory, "available", info_json_size(host->memory_available));
	json_object_add(memory, "promised", json_new_int(host->memory_promised));
	json_object_add(memory, "reserved", json_new_int(host->memory_reserved));
	json_object_add(memory, "unlimited", json_new_int((int64_t)host->memory_unlimited));
	json_object_add(memory, "used_by_instances", json_new_int(host->memory_used));
	return memory;
}

static struct json *info_json_cpus(const struct host *host)
{
	struct json *cpus = json_new_object();

	json_object_add(cpus, "online", json_new_int(host->cpus));
	json_object_add(cpus, "promised",
			json_new_double((double)host->cpus_promised_milli / 1000));
	json_object_add(cpus, "unlimited", json_new_int((int64_t)host->cpus_unlimited));
	return cpus;
}

static struct json *info_json_instances(const struct host *host)
{
	struct json *instances = json_new_object();

	for (size_t kind = 0; kind < HOST_KINDS; kind++) {
		struct json *states = json_new_object();

		for (size_t state = 0; state < HOST_STATES; state++)
			json_object_add(states, instance_state_names[state],
					json_new_int((int64_t)host->counts[kind][state]));
		json_object_add(instances, instance_kind_names[kind], states);
	}
	json_object_add(instances, "damaged", json_new_int((int64_t)host->damaged));
	return instances;
}

static void info_print_json(const struct instance_home *home, const struct info *info)
{
	_cleanup_json_ struct json *all = json_new_object();
	struct json *engines = json_new_object(), *storage = json_new_object();

	json_object_add(all, "version", json_new_string(BRIG_VERSION));
	json_object_add(all, "kernel", json_new_string(info->kernel.release));
	json_object_add(all, "memory", info_json_memory(&info->host));
	json_object_add(all, "cpus", info_json_cpus(&info->host));
	json_object_add(all, "pressure", info_json_pressure(info->host.pressure));
	json_object_add(all, "nodes", info_json_nodes(&info->host));
	json_object_add(all, "instances", info_json_instances(&info->host));
	json_object_add(engines, "vm", json_new_string(info->host.vm_engine));
	json_object_add(engines, "kvm", json_new_string(info->host.kvm));
	json_object_add(engines, "cgroups", json_new_string(info->host.cgroups));
	json_object_add(all, "engines", engines);
	json_object_add(storage, "root", json_new_string(home->root));
	json_object_add(storage, "run", json_new_string(home->run));
	json_object_add(storage, "total", info_json_size(info->disk_total));
	json_object_add(storage, "free", info_json_size(info->disk_free));
	json_object_add(all, "storage", storage);
	json_print(all);
}

static void info_print_counts(const struct host *host)
{
	for (size_t kind = 0; kind < HOST_KINDS; kind++) {
		printf("%-11s", kind == INSTANCE_VM ? "vms" : "containers");
		for (size_t state = 0; state < HOST_STATES; state++)
			printf("%s%zu %s", state ? ", " : " ", host->counts[kind][state],
			       instance_state_names[state]);
		putchar('\n');
	}
	if (host->damaged)
		printf("%-11s %zu with a record that cannot be read\n", "damaged", host->damaged);
}

static void info_print_unlimited(size_t n)
{
	if (n)
		printf(" (and %zu without a limit)", n);
	putchar('\n');
}

static void info_print_host(const struct host *host)
{
	char total[UNITS_TEXT_MAX], free[UNITS_TEXT_MAX], used[UNITS_TEXT_MAX];
	char promised[UNITS_TEXT_MAX], reserved[UNITS_TEXT_MAX];

	printf("memory      %s, %s available; instances use %s, %s are promised to them at most, "
	       "%s are reserved",
	       units_format_size(host->memory_total, total),
	       units_format_size(host->memory_available, free),
	       units_format_size(host->memory_used, used),
	       units_format_size(host->memory_promised, promised),
	       units_format_size(host->memory_reserved, reserved));
	info_print_unlimited(host->memory_unlimited);
	printf("cpus        %lld, %.2f are promised to instances", (long long)host->cpus,
	       (double)host->cpus_promised_milli / 1000);
	info_print_unlimited(host->cpus_unlimited);
	for (size_t i = 0; i < host->n_nodes; i++)
		printf("node %-6d cpus %s, memory %s, %s free\n", host->nodes[i].id,
		       host->nodes[i].cpus ? host->nodes[i].cpus : "-",
		       units_format_size(host->nodes[i].memory_total, total),
		       units_format_size(host->nodes[i].memory_free, free));
	if (host->pressure[CGROUP_PRESSURE_CPU] >= 0)
		printf("pressure    cpu %.2f%%, memory %.2f%%, io %.2f%%\n",
		       (double)host->pressure[CGROUP_PRESSURE_CPU] / 100,
		       (double)host->pressure[CGROUP_PRESSURE_MEMORY] / 100,
		       (double)host->pressure[CGROUP_PRESSURE_IO] / 100);
	else
		printf("pressure    -\n");
}

static void info_print(const struct instance_home *home, const struct info *info)
{
	char total[UNITS_TEXT_MAX], free[UNITS_TEXT_MAX];

	printf("version     %s, on Linux %s\n", BRIG_VERSION, info->kernel.release);
	info_print_counts(&info->host);
	info_print_host(&info->host);
	printf("vm engine   %s (kvm: %s)\n", info->host.vm_engine, info->host.kvm);
	printf("cgroups     %s\n", info->host.cgroups);
	printf("storage     %s, %s, %s free\n", home->root,
	       units_format_size(info->disk_total, total),
	       units_format_size(info->disk_free, free));
}

static int info_run(const struct cli_context *cli, const void *values, char **args _unused_,
		    struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct info_values *v = values;
	struct info info = { .disk_total = -1 };
	int r = host_read(&home, &info.host, err);

	if (r < 0)
		return r;
	info_read_rest(&home, &info);
	if (v->json)
		info_print_json(&home, &info);
	else
		info_print(&home, &info);
	host_release(&info.host);
	return 0;
}

static const struct option info_options[] = {
	{ "json", 0, OPTION_FLAG, NULL, "print JSON", offsetof(struct info_values, json) },
	OPTION_END,
};

static const char *const info_examples[] = {
	"brig info",
	"how full this host is",
	"brig info --json | jq '.memory.total - .memory.promised'",
	"what could still be promised",
	NULL,
};

const struct verb cli_info_verbs[] = {
	{ .name = "info",
	  .group = "Host",
	  .args = "",
	  .summary = "Show what the host has, and what is promised and used",
	  .description =
		  "Shows instances by kind and state, the host's memory and CPUs, per NUMA node "
		  "too, and what of it is promised: the sum of the limits of those that run, of a "
		  "virtual machine its memory and vCPUs. Reserved is the sum of their "
		  "memory-reservations, beyond which a start is refused. What instances use is as "
		  "MEM-HOST of "
		  "'brig stats'. 'brig doctor' says what is missing here and how to mend it.",
	  .examples = info_examples,
	  .options = info_options,
	  .values_size = sizeof(struct info_values),
	  .run = info_run },
	{ .name = NULL },
};
