// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/config.h"

#include <limits.h>
#include <string.h>

/* One row of a table: a member of the document, and where it goes. */
#define ROW(kind, key_, type_, member) \
	.key = (key_), .type = (kind), .offset = offsetof(type_, member)
#define HAS(type_, member) .present = offsetof(type_, member)
#define LIST(kind, key_, type_, member, element, fields_)                 \
	.key = (key_), .type = (kind), .offset = offsetof(type_, member), \
	.count = offsetof(type_, n_##member), .size = sizeof(element), .fields = (fields_)
#define NUMBERS(kind, key_, type_, member)                                \
	.key = (key_), .type = (kind), .offset = offsetof(type_, member), \
	.count = offsetof(type_, n_##member)
/* An object whose members go into the enclosing struct. */
#define GROUP(key_, fields_) .key = (key_), .type = RECORD_STRUCT, .fields = (fields_)
#define PART(key_, type_, member, fields_) \
	ROW(RECORD_STRUCT, key_, type_, member), .fields = (fields_)

#define CONFIG_ID_MAX	      UINT32_MAX
#define CONFIG_DEVICE_MAX     INT32_MAX
#define CONFIG_CONSOLE_MAX    UINT16_MAX
#define CONFIG_MODE_MAX	      0177777
#define CONFIG_ERRNO_MAX      4095 /* MAX_ERRNO, include/linux/err.h */
#define CONFIG_SWAPPINESS_MAX 100

static const struct record_field config_id_map[] = {
	{ ROW(RECORD_UINT, "containerID", struct config_id_map, container), .max = CONFIG_ID_MAX,
	  .required = 1 },
	{ ROW(RECORD_UINT, "hostID", struct config_id_map, host), .max = CONFIG_ID_MAX,
	  .required = 1 },
	{ ROW(RECORD_UINT, "size", struct config_id_map, size), .max = CONFIG_ID_MAX,
	  .required = 1 },
	RECORD_END,
};

/* process */

static const struct record_field config_console_size[] = {
	{ ROW(RECORD_UINT, "height", struct config_process, rows), .max = CONFIG_CONSOLE_MAX },
	{ ROW(RECORD_UINT, "width", struct config_process, columns), .max = CONFIG_CONSOLE_MAX },
	RECORD_END,
};

static const struct record_field config_user[] = {
	{ ROW(RECORD_UINT, "uid", struct config_user, uid), .max = CONFIG_ID_MAX },
	{ ROW(RECORD_UINT, "gid", struct config_user, gid), .max = CONFIG_ID_MAX },
	{ ROW(RECORD_UINT, "umask", struct config_user, umask), HAS(struct config_user, has_umask),
	  .max = 0777 },
	{ NUMBERS(RECORD_UINTV, "additionalGids", struct config_user, groups),
	  .max = CONFIG_ID_MAX },
	{ ROW(RECORD_STRING, "username", struct config_user, name) },
	RECORD_END,
};

static const struct record_field config_capabilities[] = {
	{ ROW(RECORD_STRV, "bounding", struct config_capabilities, bounding) },
	{ ROW(RECORD_STRV, "effective", struct config_capabilities, effective) },
	{ ROW(RECORD_STRV, "inheritable", struct config_capabilities, inheritable) },
	{ ROW(RECORD_STRV, "permitted", struct config_capabilities, permitted) },
	{ ROW(RECORD_STRV, "ambient", struct config_capabilities, ambient) },
	RECORD_END,
};

static const struct record_field config_rlimit[] = {
	{ ROW(RECORD_STRING, "type", struct config_rlimit, type), .required = 1 },
	{ ROW(RECORD_UINT, "soft", struct config_rlimit, soft), .required = 1 },
	{ ROW(RECORD_UINT, "hard", struct config_rlimit, hard), .required = 1 },
	RECORD_END,
};

static const struct record_field config_scheduler[] = {
	{ ROW(RECORD_STRING, "policy", struct config_scheduler, policy), .required = 1 },
	{ ROW(RECORD_INT, "nice", struct config_scheduler, nice), .min = -20, .max = 19 },
	{ ROW(RECORD_INT, "priority", struct config_scheduler, priority), .max = 99 },
	{ ROW(RECORD_STRV, "flags", struct config_scheduler, flags) },
	{ ROW(RECORD_UINT, "runtime", struct config_scheduler, runtime) },
	{ ROW(RECORD_UINT, "deadline", struct config_scheduler, deadline) },
	{ ROW(RECORD_UINT, "period", struct config_scheduler, period) },
	RECORD_END,
};

static const struct record_field config_io_priority[] = {
	{ ROW(RECORD_STRING, "class", struct config_io_priority, class), .required = 1 },
	{ ROW(RECORD_INT, "priority", struct config_io_priority, priority), .max = 7 },
	RECORD_END,
};

static const struct record_field config_cpu_affinity[] = {
	{ ROW(RECORD_STRING, "initial", struct config_process, initial_cpus) },
	{ ROW(RECORD_STRING, "final", struct config_process, final_cpus) },
	RECORD_END,
};

static const struct record_field config_process[] = {
	{ ROW(RECORD_BOOL, "terminal", struct config_process, terminal) },
	{ GROUP("consoleSize", config_console_size) },
	{ PART("user", struct config_process, user, config_user) },
	{ ROW(RECORD_STRV, "args", struct config_process, args) },
	{ ROW(RECORD_STRV, "env", struct config_process, env) },
	{ ROW(RECORD_STRING, "cwd", struct config_process, cwd), .required = 1 },
	{ PART("capabilities", struct config_process, capabilities, config_capabilities),
	  HAS(struct config_process, has_capabilities) },
	{ LIST(RECORD_ARRAY, "rlimits", struct config_process, rlimits, struct config_rlimit,
	       config_rlimit) },
	{ ROW(RECORD_BOOL, "noNewPrivileges", struct config_process, no_new_privileges) },
	{ ROW(RECORD_STRING, "apparmorProfile", struct config_process, apparmor_profile) },
	{ ROW(RECORD_STRING, "selinuxLabel", struct config_process, selinux_label) },
	{ ROW(RECORD_INT, "oomScoreAdj", struct config_process, oom_score_adj),
	  HAS(struct config_process, has_oom_score_adj), .min = -1000, .max = 1000 },
	{ PART("scheduler", struct config_process, scheduler, config_scheduler),
	  HAS(struct config_process, has_scheduler) },
	{ PART("ioPriority", struct config_process, io_priority, config_io_priority),
	  HAS(struct config_process, has_io_priority) },
	{ GROUP("execCPUAffinity", config_cpu_affinity) },
	RECORD_END,
};

static const struct record_field config_root[] = {
	{ ROW(RECORD_STRING, "path", struct config, root), .required = 1 },
	{ ROW(RECORD_BOOL, "readonly", struct config, root_readonly) },
	RECORD_END,
};

static const struct record_field config_mount[] = {
	{ ROW(RECORD_STRING, "destination", struct config_mount, destination), .required = 1 },
	{ ROW(RECORD_STRING, "type", struct config_mount, type) },
	{ ROW(RECORD_STRING, "source", struct config_mount, source) },
	{ ROW(RECORD_STRV, "options", struct config_mount, options) },
	{ LIST(RECORD_ARRAY, "uidMappings", struct config_mount, uid_maps, struct config_id_map,
	       config_id_map) },
	{ LIST(RECORD_ARRAY, "gidMappings", struct config_mount, gid_maps, struct config_id_map,
	       config_id_map) },
	RECORD_END,
};

static const struct record_field config_hook[] = {
	{ ROW(RECORD_STRING, "path", struct config_hook, path), .required = 1 },
	{ ROW(RECORD_STRV, "args", struct config_hook, args) },
	{ ROW(RECORD_STRV, "env", struct config_hook, env) },
	{ ROW(RECORD_INT, "timeout", struct config_hook, timeout),
	  HAS(struct config_hook, has_timeout), .min = 1, .max = INT_MAX },
	RECORD_END,
};

#define CONFIG_HOOKS(key_, time)                                          \
	{                                                                 \
		.key = (key_), .type = RECORD_ARRAY,                      \
		.offset = offsetof(struct config, hooks[time].list),      \
		.count = offsetof(struct config, hooks[time].n),          \
		.size = sizeof(struct config_hook), .fields = config_hook \
	}

static const struct record_field config_hooks[] = {
	CONFIG_HOOKS("prestart", CONFIG_HOOK_PRESTART),
	CONFIG_HOOKS("createRuntime", CONFIG_HOOK_CREATE_RUNTIME),
	CONFIG_HOOKS("createContainer", CONFIG_HOOK_CREATE_CONTAINER),
	CONFIG_HOOKS("startContainer", CONFIG_HOOK_START_CONTAINER),
	CONFIG_HOOKS("poststart", CONFIG_HOOK_POSTSTART),
	CONFIG_HOOKS("poststop", CONFIG_HOOK_POSTSTOP),
	RECORD_END,
};

/* linux */

static const struct record_field config_time_offset[] = {
	{ ROW(RECORD_INT, "secs", struct config_time_offset, seconds) },
	{ ROW(RECORD_UINT, "nanosecs", struct config_time_offset, nanoseconds), .max = 999999999 },
	RECORD_END,
};

static const struct record_field config_time_offsets[] = {
	{ PART("monotonic", struct config_linux, monotonic, config_time_offset),
	  HAS(struct config_linux, has_monotonic) },
	{ PART("boottime", struct config_linux, boottime, config_time_offset),
	  HAS(struct config_linux, has_boottime) },
	RECORD_END,
};

static const struct record_field config_namespace[] = {
	{ ROW(RECORD_STRING, "type", struct config_namespace, type), .required = 1 },
	{ ROW(RECORD_STRING, "path", struct config_namespace, path) },
	RECORD_END,
};

static const struct record_field config_device[] = {
	{ ROW(RECORD_STRING, "path", struct config_device, path), .required = 1 },
	{ ROW(RECORD_STRING, "type", struct config_device, type), .required = 1 },
	{ ROW(RECORD_INT, "major", struct config_device, major), .max = CONFIG_DEVICE_MAX },
	{ ROW(RECORD_INT, "minor", struct config_device, minor), .max = CONFIG_DEVICE_MAX },
	{ ROW(RECORD_UINT, "fileMode", struct config_device, mode),
	  HAS(struct config_device, has_mode), .max = CONFIG_MODE_MAX },
	{ ROW(RECORD_UINT, "uid", struct config_device, uid), HAS(struct config_device, has_uid),
	  .max = CONFIG_ID_MAX },
	{ ROW(RECORD_UINT, "gid", struct config_device, gid), HAS(struct config_device, has_gid),
	  .max = CONFIG_ID_MAX },
	RECORD_END,
};

static const struct record_field config_net_device[] = {
	{ ROW(RECORD_STRING, "name", struct config_net_device, name_inside) },
	RECORD_END,
};

static const struct record_field config_seccomp_argument[] = {
	{ ROW(RECORD_UINT, "index", struct config_seccomp_argument, index), .max = 5,
	  .required = 1 },
	{ ROW(RECORD_UINT, "value", struct config_seccomp_argument, value), .required = 1 },
	{ ROW(RECORD_UINT, "valueTwo", struct config_seccomp_argument, value_two) },
	{ ROW(RECORD_STRING, "op", struct config_seccomp_argument, op), .required = 1 },
	RECORD_END,
};

static const struct record_field config_seccomp_rule[] = {
	{ ROW(RECORD_STRV, "names", struct config_seccomp_rule, names), .required = 1 },
	{ ROW(RECORD_STRING, "action", struct config_seccomp_rule, action), .required = 1 },
	{ ROW(RECORD_UINT, "errnoRet", struct config_seccomp_rule, errno_value),
	  HAS(struct config_seccomp_rule, has_errno), .max = CONFIG_ERRNO_MAX },
	{ LIST(RECORD_ARRAY, "args", struct config_seccomp_rule, arguments,
	       struct config_seccomp_argument, config_seccomp_argument) },
	RECORD_END,
};

static const struct record_field config_seccomp[] = {
	{ ROW(RECORD_STRING, "defaultAction", struct config_seccomp, default_action),
	  .required = 1 },
	{ ROW(RECORD_UINT, "defaultErrnoRet", struct config_seccomp, default_errno),
	  HAS(struct config_seccomp, has_default_errno), .max = CONFIG_ERRNO_MAX },
	{ ROW(RECORD_STRV, "architectures", struct config_seccomp, architectures) },
	{ ROW(RECORD_STRV, "flags", struct config_seccomp, flags) },
	{ ROW(RECORD_STRING, "listenerPath", struct config_seccomp, listener_path) },
	{ ROW(RECORD_STRING, "listenerMetadata", struct config_seccomp, listener_metadata) },
	{ LIST(RECORD_ARRAY, "syscalls", struct config_seccomp, rules, struct config_seccomp_rule,
	       config_seccomp_rule) },
	RECORD_END,
};

static const struct record_field config_device_rule[] = {
	{ ROW(RECORD_BOOL, "allow", struct config_device_rule, allow), .required = 1 },
	{ ROW(RECORD_STRING, "type", struct config_device_rule, type) },
	{ ROW(RECORD_INT, "major", struct config_device_rule, major),
	  HAS(struct config_device_rule, has_major), .min = -1, .max = CONFIG_DEVICE_MAX },
	{ ROW(RECORD_INT, "minor", struct config_device_rule, minor),
	  HAS(struct config_device_rule, has_minor), .min = -1, .max = CONFIG_DEVICE_MAX },
	{ ROW(RECORD_STRING, "access", struct config_device_rule, access) },
	RECORD_END,
};

static const struct record_field config_memory[] = {
	{ ROW(RECORD_INT, "limit", struct config_memory, limit),
	  HAS(struct config_memory, has_limit), .min = -1, .max = INT64_MAX },
	{ ROW(RECORD_INT, "reservation", struct config_memory, reservation),
	  HAS(struct config_memory, has_reservation), .min = -1, .max = INT64_MAX },
	{ ROW(RECORD_INT, "swap", struct config_memory, swap), HAS(struct config_memory, has_swap),
	  .min = -1, .max = INT64_MAX },
	{ ROW(RECORD_INT, "kernel", struct config_memory, kernel),
	  HAS(struct config_memory, has_kernel), .min = -1, .max = INT64_MAX },
	{ ROW(RECORD_INT, "kernelTCP", struct config_memory, kernel_tcp),
	  HAS(struct config_memory, has_kernel_tcp), .min = -1, .max = INT64_MAX },
	{ ROW(RECORD_UINT, "swappiness", struct config_memory, swappiness),
	  HAS(struct config_memory, has_swappiness), .max = CONFIG_SWAPPINESS_MAX },
	{ ROW(RECORD_BOOL, "disableOOMKiller", struct config_memory, disable_oom_killer),
	  HAS(struct config_memory, has_disable_oom_killer) },
	{ ROW(RECORD_BOOL, "useHierarchy", struct config_memory, use_hierarchy),
	  HAS(struct config_memory, has_use_hierarchy) },
	{ ROW(RECORD_BOOL, "checkBeforeUpdate", struct config_memory, check_before_update) },
	RECORD_END,
};

static const struct record_field config_cpu[] = {
	{ ROW(RECORD_UINT, "shares", struct config_cpu, shares),
	  HAS(struct config_cpu, has_shares) },
	{ ROW(RECORD_INT, "quota", struct config_cpu, quota), HAS(struct config_cpu, has_quota) },
	{ ROW(RECORD_UINT, "burst", struct config_cpu, burst), HAS(struct config_cpu, has_burst) },
	{ ROW(RECORD_UINT, "period", struct config_cpu, period),
	  HAS(struct config_cpu, has_period) },
	{ ROW(RECORD_INT, "realtimeRuntime", struct config_cpu, realtime_runtime),
	  HAS(struct config_cpu, has_realtime_runtime) },
	{ ROW(RECORD_UINT, "realtimePeriod", struct config_cpu, realtime_period),
	  HAS(struct config_cpu, has_realtime_period) },
	{ ROW(RECORD_STRING, "cpus", struct config_cpu, cpus) },
	{ ROW(RECORD_STRING, "mems", struct config_cpu, mems) },
	{ ROW(RECORD_INT, "idle", struct config_cpu, idle), HAS(struct config_cpu, has_idle),
	  .max = 1 },
	RECORD_END,
};

static const struct record_field config_pids[] = {
	{ ROW(RECORD_INT, "limit", struct config_resources, pids),
	  HAS(struct config_resources, has_pids) },
	RECORD_END,
};

static const struct record_field config_device_weight[] = {
	{ ROW(RECORD_INT, "major", struct config_device_weight, major), .max = CONFIG_DEVICE_MAX,
	  .required = 1 },
	{ ROW(RECORD_INT, "minor", struct config_device_weight, minor), .max = CONFIG_DEVICE_MAX,
	  .required = 1 },
	{ ROW(RECORD_UINT, "weight", struct config_device_weight, weight),
	  HAS(struct config_device_weight, has_weight), .max = UINT16_MAX },
	{ ROW(RECORD_UINT, "leafWeight", struct config_device_weight, leaf_weight),
	  HAS(struct config_device_weight, has_leaf_weight), .max = UINT16_MAX },
	RECORD_END,
};

static const struct record_field config_throttle[] = {
	{ ROW(RECORD_INT, "major", struct config_throttle, major), .max = CONFIG_DEVICE_MAX,
	  .required = 1 },
	{ ROW(RECORD_INT, "minor", struct config_throttle, minor), .max = CONFIG_DEVICE_MAX,
	  .required = 1 },
	{ ROW(RECORD_UINT, "rate", struct config_throttle, rate), .required = 1 },
	RECORD_END,
};

#define CONFIG_THROTTLES(key_, kind)                                              \
	{                                                                         \
		.key = (key_), .type = RECORD_ARRAY,                              \
		.offset = offsetof(struct config_block_io, throttles[kind].list), \
		.count = offsetof(struct config_block_io, throttles[kind].n),     \
		.size = sizeof(struct config_throttle), .fields = config_throttle \
	}

static const struct record_field config_block_io[] = {
	{ ROW(RECORD_UINT, "weight", struct config_block_io, weight),
	  HAS(struct config_block_io, has_weight), .max = UINT16_MAX },
	{ ROW(RECORD_UINT, "leafWeight", struct config_block_io, leaf_weight),
	  HAS(struct config_block_io, has_leaf_weight), .max = UINT16_MAX },
	{ LIST(RECORD_ARRAY, "weightDevice", struct config_block_io, weights,
	       struct config_device_weight, config_device_weight) },
	CONFIG_THROTTLES("throttleReadBpsDevice", CONFIG_READ_BPS),
	CONFIG_THROTTLES("throttleWriteBpsDevice", CONFIG_WRITE_BPS),
	CONFIG_THROTTLES("throttleReadIOPSDevice", CONFIG_READ_IOPS),
	CONFIG_THROTTLES("throttleWriteIOPSDevice", CONFIG_WRITE_IOPS),
	RECORD_END,
};

static const struct record_field config_hugepage_limit[] = {
	{ ROW(RECORD_STRING, "pageSize", struct config_hugepage_limit, page_size), .required = 1 },
	{ ROW(RECORD_UINT, "limit", struct config_hugepage_limit, limit), .required = 1 },
	RECORD_END,
};

static const struct record_field config_net_priority[] = {
	{ ROW(RECORD_STRING, "name", struct config_net_priority, name), .required = 1 },
	{ ROW(RECORD_UINT, "priority", struct config_net_priority, priority), .max = UINT32_MAX,
	  .required = 1 },
	RECORD_END,
};

static const struct record_field config_network[] = {
	{ ROW(RECORD_UINT, "classID", struct config_resources, net_class),
	  HAS(struct config_resources, has_net_class), .max = UINT32_MAX },
	{ LIST(RECORD_ARRAY, "priorities", struct config_resources, net_priorities,
	       struct config_net_priority, config_net_priority) },
	RECORD_END,
};

static const struct record_field config_rdma[] = {
	{ ROW(RECORD_UINT, "hcaHandles", struct config_rdma, handles),
	  HAS(struct config_rdma, has_handles), .max = UINT32_MAX },
	{ ROW(RECORD_UINT, "hcaObjects", struct config_rdma, objects),
	  HAS(struct config_rdma, has_objects), .max = UINT32_MAX },
	RECORD_END,
};

static const struct record_field config_resources[] = {
	{ LIST(RECORD_ARRAY, "devices", struct config_resources, devices, struct config_device_rule,
	       config_device_rule) },
	{ PART("memory", struct config_resources, memory, config_memory) },
	{ PART("cpu", struct config_resources, cpu, config_cpu) },
	{ GROUP("pids", config_pids) },
	{ PART("blockIO", struct config_resources, block_io, config_block_io) },
	{ LIST(RECORD_ARRAY, "hugepageLimits", struct config_resources, hugepages,
	       struct config_hugepage_limit, config_hugepage_limit) },
	{ GROUP("network", config_network) },
	{ LIST(RECORD_DICT, "rdma", struct config_resources, rdma, struct config_rdma,
	       config_rdma) },
	{ NUMBERS(RECORD_MAP, "unified", struct config_resources, unified) },
	RECORD_END,
};

static const struct record_field config_intel_rdt[] = {
	{ ROW(RECORD_STRING, "closID", struct config_intel_rdt, clos) },
	{ ROW(RECORD_STRV, "schemata", struct config_intel_rdt, schemata) },
	{ ROW(RECORD_STRING, "l3CacheSchema", struct config_intel_rdt, l3_schema) },
	{ ROW(RECORD_STRING, "memBwSchema", struct config_intel_rdt, memory_schema) },
	{ ROW(RECORD_BOOL, "enableMonitoring", struct config_intel_rdt, monitoring) },
	RECORD_END,
};

static const struct record_field config_memory_policy[] = {
	{ ROW(RECORD_STRING, "mode", struct config_memory_policy, mode), .required = 1 },
	{ ROW(RECORD_STRING, "nodes", struct config_memory_policy, nodes) },
	{ ROW(RECORD_STRV, "flags", struct config_memory_policy, flags) },
	RECORD_END,
};

static const struct record_field config_personality[] = {
	{ ROW(RECORD_STRING, "domain", struct config_personality, domain), .required = 1 },
	{ ROW(RECORD_STRV, "flags", struct config_personality, flags) },
	RECORD_END,
};

static const struct record_field config_linux[] = {
	{ LIST(RECORD_ARRAY, "uidMappings", struct config_linux, uid_maps, struct config_id_map,
	       config_id_map) },
	{ LIST(RECORD_ARRAY, "gidMappings", struct config_linux, gid_maps, struct config_id_map,
	       config_id_map) },
	{ GROUP("timeOffsets", config_time_offsets) },
	{ NUMBERS(RECORD_MAP, "sysctl", struct config_linux, sysctl) },
	{ PART("resources", struct config_linux, resources, config_resources) },
	{ ROW(RECORD_STRING, "cgroupsPath", struct config_linux, cgroups_path) },
	{ LIST(RECORD_ARRAY, "namespaces", struct config_linux, namespaces, struct config_namespace,
	       config_namespace) },
	{ LIST(RECORD_ARRAY, "devices", struct config_linux, devices, struct config_device,
	       config_device) },
	{ LIST(RECORD_DICT, "netDevices", struct config_linux, net_devices,
	       struct config_net_device, config_net_device) },
	{ PART("seccomp", struct config_linux, seccomp, config_seccomp),
	  HAS(struct config_linux, has_seccomp) },
	{ ROW(RECORD_STRING, "rootfsPropagation", struct config_linux, rootfs_propagation) },
	{ ROW(RECORD_STRV, "maskedPaths", struct config_linux, masked_paths) },
	{ ROW(RECORD_STRV, "readonlyPaths", struct config_linux, readonly_paths) },
	{ ROW(RECORD_STRING, "mountLabel", struct config_linux, mount_label) },
	{ PART("intelRdt", struct config_linux, intel_rdt, config_intel_rdt),
	  HAS(struct config_linux, has_intel_rdt) },
	{ PART("memoryPolicy", struct config_linux, memory_policy, config_memory_policy),
	  HAS(struct config_linux, has_memory_policy) },
	{ PART("personality", struct config_linux, personality, config_personality),
	  HAS(struct config_linux, has_personality) },
	RECORD_END,
};

/* vm */

static const struct record_field config_vm_kernel[] = {
	{ ROW(RECORD_STRING, "path", struct config_vm, kernel), .required = 1 },
	{ ROW(RECORD_STRV, "parameters", struct config_vm, kernel_parameters) },
	{ ROW(RECORD_STRING, "initrd", struct config_vm, initrd) },
	RECORD_END,
};

static const struct record_field config_vm_image[] = {
	{ ROW(RECORD_STRING, "path", struct config_vm, image), .required = 1 },
	{ ROW(RECORD_STRING, "format", struct config_vm, image_format), .required = 1 },
	RECORD_END,
};

static const struct record_field config_vm_hardware[] = {
	{ ROW(RECORD_UINT, "vcpus", struct config_vm, vcpus), .max = UINT16_MAX },
	{ ROW(RECORD_UINT, "memory", struct config_vm, memory), .max = INT64_MAX },
	RECORD_END,
};

static const struct record_field config_vm[] = {
	{ GROUP("kernel", config_vm_kernel), HAS(struct config_vm, has_kernel) },
	{ GROUP("image", config_vm_image), HAS(struct config_vm, has_image) },
	{ GROUP("hwConfig", config_vm_hardware) },
	RECORD_END,
};

static const struct record_field config_fields[] = {
	{ ROW(RECORD_STRING, "ociVersion", struct config, version), .required = 1 },
	{ PART("process", struct config, process, config_process),
	  HAS(struct config, has_process) },
	{ GROUP("root", config_root), HAS(struct config, has_root) },
	{ ROW(RECORD_STRING, "hostname", struct config, hostname) },
	{ ROW(RECORD_STRING, "domainname", struct config, domainname) },
	{ LIST(RECORD_ARRAY, "mounts", struct config, mounts, struct config_mount, config_mount) },
	{ GROUP("hooks", config_hooks) },
	{ NUMBERS(RECORD_MAP, "annotations", struct config, annotations) },
	{ PART("linux", struct config, on_linux, config_linux) },
	{ PART("vm", struct config, vm, config_vm), HAS(struct config, has_vm) },
	RECORD_END,
};

/* Semantic versioning: what 1.x means stays true in 1.y, and what is new in 1.y is optional. */
static int config_check_version(const char *version, struct err *err)
{
	if (strncmp(version, "1.", 2) != 0)
		return err_set(err, -EINVAL, "ociVersion must be 1.x, not '%.32s'", version);
	return 0;
}

int config_read(const struct json *json, struct config *ret, struct err *err)
{
	int r;

	*ret = (struct config){ 0 };
	r = record_read(config_fields, json, ret, err);
	return r < 0 ? r : config_check_version(ret->version, err);
}

int config_load(int dirfd, const char *path, struct config *ret, struct err *err)
{
	_cleanup_json_ struct json *json = NULL;
	int r;

	*ret = (struct config){ 0 };
	r = json_read_file(dirfd, path, CONFIG_SIZE_MAX, &json, err);
	if (r < 0)
		return r;
	r = config_read(json, ret, err);
	return r < 0 ? err_wrap(err, "%s", path) : 0;
}

struct json *config_write(const struct config *config)
{
	return record_write(config_fields, config);
}

int config_read_process(const struct json *json, struct config_process *ret, struct err *err)
{
	*ret = (struct config_process){ 0 };
	return record_read(config_process, json, ret, err);
}

int config_read_resources(const struct json *json, struct config_resources *ret, struct err *err)
{
	*ret = (struct config_resources){ 0 };
	return record_read(config_resources, json, ret, err);
}

void config_release(struct config *config)
{
	record_clear(config_fields, config);
}

void config_process_release(struct config_process *process)
{
	record_clear(config_process, process);
}

void config_resources_release(struct config_resources *resources)
{
	record_clear(config_resources, resources);
}
