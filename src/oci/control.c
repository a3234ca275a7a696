// SPDX-License-Identifier: GPL-2.0-or-later
/* What is done to a container that runs: pause, resume, update. */
#include "base/json.h"
#include "container/resources.h"
#include "container/scope.h"
#include "container/scope_properties.h"
#include "oci/container.h"

#include <fcntl.h>
#include <string.h>

static int control_freeze(const struct oci_context *oci, const char *id, int frozen,
			  struct err *err)
{
	_cleanup_container_ struct container container = CONTAINER_INIT;
	int r = container_open(oci, id, 1, &container, err);

	if (r == 0)
		r = container_check_alive(&container, err);
	if (r < 0)
		return r;
	if (!container_cgroup(&container))
		return err_set(err, -EOPNOTSUPP, "the container '%s' has no cgroup to stop", id);
	if (frozen && container.status == STORE_PAUSED)
		return err_set(err, -EBUSY, "the container '%s' is paused already", id);
	if (!frozen && container.status != STORE_PAUSED)
		return err_set(err, -EINVAL, "the container '%s' is not paused", id);
	return cgroup_freeze(container.cgroup, frozen, err);
}

static int control_pause(const struct oci_context *oci, const void *values _unused_, char **args,
			 struct err *err)
{
	return control_freeze(oci, args[0], 1, err);
}

static int control_resume(const struct oci_context *oci, const void *values _unused_, char **args,
			  struct err *err)
{
	return control_freeze(oci, args[0], 0, err);
}

struct control_update {
	char *resources, *cpus, *mems;
	int64_t memory, reservation, swap, quota, idle, pids;
	int64_t shares, period, burst, weight;
};

/* No limit of this kind is given. */
#define CONTROL_UNSET INT64_MIN

static const struct control_update control_update_defaults = {
	.memory = CONTROL_UNSET,
	.reservation = CONTROL_UNSET,
	.swap = CONTROL_UNSET,
	.quota = CONTROL_UNSET,
	.idle = CONTROL_UNSET,
	.pids = CONTROL_UNSET,
	.shares = CONTROL_UNSET,
	.period = CONTROL_UNSET,
	.burst = CONTROL_UNSET,
	.weight = CONTROL_UNSET,
};

#define CONTROL_OPTION(type_, name_, letter_, metavar_, help_, member)                        \
	{                                                                                     \
		.name = (name_), .letter = (letter_), .type = (type_), .metavar = (metavar_), \
		.help = (help_), .offset = offsetof(struct control_update, member)            \
	}
#define CONTROL_NUMBER(name_, help_, member, min_)                                                 \
	{                                                                                          \
		.name = (name_), .type = OPTION_INT, .metavar = "N", .help = (help_),              \
		.offset = offsetof(struct control_update, member), .min = (min_), .max = INT64_MAX \
	}

static const struct option control_update_options[] = {
	CONTROL_OPTION(OPTION_STRING, "resources", 'r', "FILE",
		       "the limits as JSON, as linux.resources of a configuration; - is stdin",
		       resources),
	CONTROL_NUMBER("memory", "memory in bytes, -1 for no limit", memory, -1),
	CONTROL_NUMBER("memory-reservation", "memory that is taken last, in bytes", reservation,
		       -1),
	CONTROL_NUMBER("memory-swap", "memory and swap in bytes, -1 for no limit", swap, -1),
	CONTROL_NUMBER("cpu-share", "the weight of its CPU time, 2 to 262144", shares, 0),
	CONTROL_NUMBER("cpu-quota", "microseconds of CPU time in each period, -1 for no limit",
		       quota, -1),
	CONTROL_NUMBER("cpu-period", "that period in microseconds", period, 0),
	CONTROL_NUMBER("cpu-burst", "microseconds that may be saved up", burst, 0),
	CONTROL_NUMBER("cpu-idle", "1: only CPU time that nobody else wants", idle, 0),
	CONTROL_OPTION(OPTION_STRING, "cpuset-cpus", 0, "LIST", "its CPUs, as 0-3,6", cpus),
	CONTROL_OPTION(OPTION_STRING, "cpuset-mems", 0, "LIST", "its memory nodes", mems),
	CONTROL_NUMBER("pids-limit", "processes, -1 for no limit", pids, -1),
	CONTROL_NUMBER("blkio-weight", "the weight of its block I/O, 10 to 1000", weight, 0),
	OPTION_END,
};

static void control_set_int(int64_t value, int64_t *to, int *has)
{
	if (value == CONTROL_UNSET)
		return;
	*to = value;
	*has = 1;
}

static void control_set_uint(int64_t value, uint64_t *to, int *has)
{
	if (value == CONTROL_UNSET)
		return;
	*to = (uint64_t)value;
	*has = 1;
}

static void control_of_options(const struct control_update *v, struct config_resources *ret)
{
	struct config_memory *memory = &ret->memory;
	struct config_cpu *cpu = &ret->cpu;

	control_set_int(v->memory, &memory->limit, &memory->has_limit);
	control_set_int(v->reservation, &memory->reservation, &memory->has_reservation);
	control_set_int(v->swap, &memory->swap, &memory->has_swap);
	control_set_int(v->quota, &cpu->quota, &cpu->has_quota);
	control_set_int(v->idle, &cpu->idle, &cpu->has_idle);
	control_set_uint(v->shares, &cpu->shares, &cpu->has_shares);
	control_set_uint(v->period, &cpu->period, &cpu->has_period);
	control_set_uint(v->burst, &cpu->burst, &cpu->has_burst);
	control_set_int(v->pids, &ret->pids, &ret->has_pids);
	control_set_uint(v->weight, &ret->block_io.weight, &ret->block_io.has_weight);
	if (v->cpus)
		cpu->cpus = strdup(v->cpus);
	if (v->mems)
		cpu->mems = strdup(v->mems);
}

static int control_of_file(const char *path, struct config_resources *ret, struct err *err)
{
	_cleanup_json_ struct json *json = NULL;
	int r = json_read_file(AT_FDCWD, strcmp(path, "-") ? path : "/dev/stdin", CONFIG_SIZE_MAX,
			       &json, err);

	return r < 0 ? r : config_read_resources(json, ret, err);
}

/* systemd first: it writes all files of a controller, and what it has no word for comes after. */
static int control_set(struct container *container, const struct config_resources *resources,
		       struct err *err)
{
	int version = cgroup_host_layout() == CGROUP_LAYOUT_UNIFIED ? 2 : 1, r = 0;
	_cleanup_strv_ char **properties = NULL;

	if (container->store.unit) {
		scope_properties_limits(resources, version, &properties);
		r = scope_set(container->systemd, container->store.unit, properties, err);
	}
	return r < 0 ? r : resources_apply(container_cgroup(container), resources, err);
}

/* What the guest has of its own is not to be changed from outside its kernel. */
static int control_check_vm(const struct config_resources *resources, struct err *err)
{
	const struct config_memory *memory = &resources->memory;

	if ((memory->has_limit && memory->limit) || (memory->has_swap && memory->swap))
		return err_set(err, -EOPNOTSUPP,
			       "memory.limit: a VM keeps the memory that it was started with");
	if (resources->has_pids && resources->pids)
		return err_set(err, -EOPNOTSUPP,
			       "pids.limit: a VM keeps the limit that it was started with");
	return 0;
}

static int control_update(const struct oci_context *oci, const void *values, char **args,
			  struct err *err)
{
	_cleanup_container_ struct container container = CONTAINER_INIT;
	_cleanup_config_resources_ struct config_resources resources = { 0 };
	const struct control_update *v = values;
	int r = container_open(oci, args[0], 1, &container, err);

	if (r == 0)
		r = container_check_alive(&container, err);
	if (r < 0)
		return r;
	if (!container_cgroup(&container))
		return err_set(err, -EOPNOTSUPP, "the container '%s' has no cgroup to limit",
			       args[0]);
	if (v->resources)
		r = control_of_file(v->resources, &resources, err);
	else
		control_of_options(v, &resources);
	if (r == 0 && container.store.vm)
		r = control_check_vm(&resources, err);
	return r < 0 ? r : control_set(&container, &resources, err);
}

const struct verb oci_control_verbs[] = {
	{
		.name = "pause",
		.group = "While it runs",
		.args = "ID",
		.summary = "Stop all processes of a container where they are",
		.min_args = 1,
		.max_args = 1,
		.complete = "container",
		.run_oci = control_pause,
	},
	{
		.name = "resume",
		.group = "While it runs",
		.args = "ID",
		.summary = "Let them go on",
		.min_args = 1,
		.max_args = 1,
		.complete = "container",
		.run_oci = control_resume,
	},
	{
		.name = "update",
		.group = "While it runs",
		.args = "ID",
		.summary = "Change the limits of a container",
		.options = control_update_options,
		.min_args = 1,
		.max_args = 1,
		.values_size = sizeof(struct control_update),
		.defaults = &control_update_defaults,
		.complete = "container",
		.run_oci = control_update,
	},
	{ .name = NULL },
};
