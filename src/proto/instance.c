// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/instance.h"
#include "base/fnv.h"
#include "base/mem.h"

#include <signal.h>
#include <string.h>

/*
 * 2 has kernel_args, huge_pages and gdb, 3 has nesting, 4 has volumes, 5 has bounded and drives, 6 has all of the network,
 * 7 has all limits, what is pending and what starts with the host;
 * an older brig would not have heeded them.
 */
#define INSTANCE_VERSION     7
#define INSTANCE_RUN_VERSION 1

/* docker's and podman's default, which users' scripts count on */
#define INSTANCE_STOP_TIMEOUT_MS 10000
/* a stock kernel under full emulation on a busy host needs tens of seconds */
#define INSTANCE_BOOT_TIMEOUT_MS 120000
#define INSTANCE_DISK_SIZE	 ((int64_t)16 << 30)

const char *const instance_storage_names[] = { "brig", "containerd", "containers", "docker", NULL };
const char *const instance_kind_names[] = { "container", "vm", NULL };
const char *const instance_engine_names[] = { "auto", "kvm", "qemu", NULL };
const char *const instance_restart_names[] = { "no", "on-failure", "always", "unless-stopped",
					       NULL };
const char *const instance_autostart_names[] = { "policy", "yes", "no", NULL };
const char *const instance_state_names[] = { "created", "running",	"paused",
					     "stopped", "checkpointed", NULL };

#define STRING(member) RECORD_FIELD(RECORD_STRING, struct instance, member)
#define STRV(member)   RECORD_FIELD(RECORD_STRV, struct instance, member)
#define INT(member)    RECORD_FIELD(RECORD_INT, struct instance, member)
#define BOOL(member)   RECORD_FIELD(RECORD_BOOL, struct instance, member)
#define ENUM(member, names_)                                                                      \
	{                                                                                         \
		.key = #member, .type = RECORD_ENUM, .offset = offsetof(struct instance, member), \
		.names = (names_)                                                                 \
	}

static const struct record_field instance_fields[] = {
	STRING(name),
	ENUM(kind, instance_kind_names),
	STRING(image),
	STRING(image_digest),
	STRV(layers),
	INT(created),
	STRV(labels),
	STRV(argv),
	STRV(env),
	STRING(cwd),
	STRING(user),
	STRING(hostname),
	BOOL(tty),
	BOOL(interactive),
	BOOL(init),
	BOOL(system),
	INT(memory),
	INT(cpus_milli),
	INT(pids_limit),
	STRV(rlimits),
	INT(cpu_weight),
	INT(io_weight),
	STRING(cpuset_cpus),
	STRING(cpuset_mems),
	INT(memory_low),
	INT(memory_high),
	INT(memory_swap),
	STRV(read_bps),
	STRV(write_bps),
	STRV(read_iops),
	STRV(write_iops),
	STRV(hugetlb),
	BOOL(oom_kill_disable),
	INT(oom_score_adj),
	BOOL(best_effort),
	STRV(pending),
	BOOL(read_only),
	STRV(tmpfs),
	STRV(volumes),
	INT(disk_size),
	BOOL(bounded),
	STRV(drives),
	STRV(networks),
	STRV(ports),
	STRV(dns),
	STRV(dns_search),
	STRV(extra_hosts),
	INT(snapshots_every_ms),
	INT(snapshots_expiry_ms),
	ENUM(autostart, instance_autostart_names),
	INT(start_order),
	INT(start_delay_ms),
	STRV(cap_add),
	STRV(cap_drop),
	STRV(devices),
	BOOL(privileged),
	BOOL(nesting),
	INT(stop_signal),
	INT(stop_timeout_ms),
	ENUM(restart, instance_restart_names),
	INT(restart_max),
	BOOL(remove),
	ENUM(engine, instance_engine_names),
	STRING(kernel),
	STRING(kernel_args),
	BOOL(huge_pages),
	BOOL(gdb),
	INT(boot_timeout_ms),
	BOOL(has_run),
	INT(exit_code),
	INT(started),
	INT(finished),
	INT(checkpointed),
	INT(restarts),
	BOOL(oom_killed),
	STRING(oom),
	BOOL(stopped_by_user),
	STRING(error),
	RECORD_END,
};

const struct record_table instance_table = {
	.what = "instance record",
	.version = INSTANCE_VERSION,
	.fields = instance_fields,
};

#undef STRING
#undef STRV
#undef INT
#undef ENUM

#define RUN(kind, member) RECORD_FIELD(kind, struct instance_run, member)

static const struct record_field instance_run_fields[] = {
	{ .key = "state",
	  .type = RECORD_ENUM,
	  .offset = offsetof(struct instance_run, state),
	  .names = instance_state_names },
	RUN(RECORD_INT, keeper_pid),
	RUN(RECORD_INT, pid),
	RUN(RECORD_INT, pid_start),
	RUN(RECORD_INT, started),
	RUN(RECORD_STRING, engine),
	RUN(RECORD_STRING, cgroup),
	RUN(RECORD_STRV, addresses),
	RUN(RECORD_INT, vsock_cid),
	RUN(RECORD_STRING, kernel),
	RUN(RECORD_STRV, unmet),
	RUN(RECORD_BOOL, oom_killed),
	RUN(RECORD_INT, oom_kills),
	RUN(RECORD_STRING, oom),
	RECORD_END,
};

const struct record_table instance_run_table = {
	.what = "run record",
	.version = INSTANCE_RUN_VERSION,
	.fields = instance_run_fields,
};

void instance_init(struct instance *instance)
{
	memset(instance, 0, sizeof(*instance));
	instance->stop_signal = SIGTERM;
	instance->stop_timeout_ms = INSTANCE_STOP_TIMEOUT_MS;
	instance->boot_timeout_ms = INSTANCE_BOOT_TIMEOUT_MS;
	instance->disk_size = INSTANCE_DISK_SIZE;
}

void instance_release(struct instance *instance)
{
	record_release(&instance_table, instance);
}

int64_t instance_vcpus(const struct instance *instance)
{
	return instance->cpus_milli ? (instance->cpus_milli + 999) / 1000 : 1;
}

int instance_copy(const struct instance *from, struct instance *ret, struct err *err)
{
	_cleanup_json_ struct json *json = record_to_json(&instance_table, from);

	return record_from_json(&instance_table, json, ret, err);
}

#define INSTANCE_RUN_DIR "/run/brig"

char *instance_cgroup(const char *run_dir)
{
	const char *slash = strrchr(run_dir, '/');
	size_t len = slash ? (size_t)(slash - run_dir) : 0;

	if (len == strlen(INSTANCE_RUN_DIR) && !memcmp(run_dir, INSTANCE_RUN_DIR, len))
		return mem_printf("brig/%s", slash + 1);
	return mem_printf("brig/%08x.run/%s", fnv_mix32(FNV_32, run_dir, len),
			  slash ? slash + 1 : run_dir);
}
