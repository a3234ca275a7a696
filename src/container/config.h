/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_CONFIG_H
#define CONTAINER_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/record.h"

/*
 * An OCI runtime configuration as it stands in a bundle's config.json: the Open Container Initiative's
 * runtime specification 1.3, config.md, config-linux.md and config-vm.md, member by member. Strings are as
 * they came (NULL: absent), numbers have the specification's units; what they mean is decided by
 * spec_of_config(). has_X tells whether X was given, where that is not the same as 0.
 */

struct config_id_map {
	uint64_t container, host, size;
};

/* process */

struct config_user {
	uint64_t uid, gid, umask;
	int has_umask;
	uint64_t *groups;
	size_t n_groups;
	char *name;
};

struct config_capabilities {
	char **bounding, **effective, **inheritable, **permitted, **ambient;
};

struct config_rlimit {
	char *type;
	uint64_t soft, hard;
};

struct config_scheduler {
	char *policy;
	int64_t nice, priority;
	char **flags;
	uint64_t runtime, deadline, period; /* ns */
};

struct config_io_priority {
	char *class;
	int64_t priority;
};

struct config_process {
	int terminal;
	uint64_t rows, columns;
	struct config_user user;
	char **args, **env;
	char *cwd;
	struct config_capabilities capabilities;
	int has_capabilities;
	struct config_rlimit *rlimits;
	size_t n_rlimits;
	int no_new_privileges;
	char *apparmor_profile, *selinux_label;
	int64_t oom_score_adj;
	int has_oom_score_adj;
	struct config_scheduler scheduler;
	struct config_io_priority io_priority;
	int has_scheduler, has_io_priority;
	char *initial_cpus, *final_cpus; /* execCPUAffinity */
};

struct config_mount {
	char *destination, *type, *source;
	char **options;
	struct config_id_map *uid_maps, *gid_maps;
	size_t n_uid_maps, n_gid_maps;
};

struct config_hook {
	char *path;
	char **args, **env;
	int64_t timeout; /* seconds */
	int has_timeout;
};

struct config_hooks {
	struct config_hook *list;
	size_t n;
};

/* When a hook runs: config.md, "POSIX-platform Hooks", in that order. */
enum config_hook_time {
	CONFIG_HOOK_PRESTART,
	CONFIG_HOOK_CREATE_RUNTIME,
	CONFIG_HOOK_CREATE_CONTAINER,
	CONFIG_HOOK_START_CONTAINER,
	CONFIG_HOOK_POSTSTART,
	CONFIG_HOOK_POSTSTOP,
	CONFIG_HOOK_TIMES,
};

/* linux */

struct config_namespace {
	char *type, *path;
};

struct config_device {
	char *path, *type;
	int64_t major, minor;
	uint64_t mode, uid, gid;
	int has_mode, has_uid, has_gid;
};

struct config_net_device {
	char *name; /* on the host */
	char *name_inside;
};

struct config_time_offset {
	int64_t seconds;
	uint64_t nanoseconds;
};

struct config_seccomp_argument {
	uint64_t index, value, value_two;
	char *op;
};

struct config_seccomp_rule {
	char **names;
	char *action;
	uint64_t errno_value;
	int has_errno;
	struct config_seccomp_argument *arguments;
	size_t n_arguments;
};

struct config_seccomp {
	char *default_action;
	uint64_t default_errno;
	int has_default_errno;
	char **architectures, **flags;
	char *listener_path, *listener_metadata;
	struct config_seccomp_rule *rules;
	size_t n_rules;
};

struct config_device_rule {
	int allow;
	char *type, *access;
	int64_t major, minor;
	int has_major, has_minor;
};

struct config_memory {
	int64_t limit, reservation, swap, kernel, kernel_tcp; /* bytes, -1: none */
	int has_limit, has_reservation, has_swap, has_kernel, has_kernel_tcp;
	uint64_t swappiness;
	int has_swappiness;
	int disable_oom_killer, has_disable_oom_killer;
	int use_hierarchy, has_use_hierarchy;
	int check_before_update;
};

struct config_cpu {
	uint64_t shares, period, burst, realtime_period;
	int has_shares, has_period, has_burst, has_realtime_period;
	int64_t quota, realtime_runtime, idle;
	int has_quota, has_realtime_runtime, has_idle;
	char *cpus, *mems;
};

struct config_throttle {
	int64_t major, minor;
	uint64_t rate;
};

struct config_throttles {
	struct config_throttle *list;
	size_t n;
};

struct config_device_weight {
	int64_t major, minor;
	uint64_t weight, leaf_weight;
	int has_weight, has_leaf_weight;
};

enum config_throttle_kind {
	CONFIG_READ_BPS,
	CONFIG_WRITE_BPS,
	CONFIG_READ_IOPS,
	CONFIG_WRITE_IOPS,
	CONFIG_THROTTLE_KINDS,
};

struct config_block_io {
	uint64_t weight, leaf_weight;
	int has_weight, has_leaf_weight;
	struct config_device_weight *weights;
	size_t n_weights;
	struct config_throttles throttles[CONFIG_THROTTLE_KINDS];
};

struct config_hugepage_limit {
	char *page_size;
	uint64_t limit;
};

struct config_net_priority {
	char *name;
	uint64_t priority;
};

struct config_rdma {
	char *device;
	uint64_t handles, objects;
	int has_handles, has_objects;
};

struct config_resources {
	struct config_device_rule *devices;
	size_t n_devices;
	struct config_memory memory;
	struct config_cpu cpu;
	int64_t pids; /* -1: no limit */
	int has_pids;
	struct config_block_io block_io;
	struct config_hugepage_limit *hugepages;
	size_t n_hugepages;
	uint64_t net_class;
	int has_net_class;
	struct config_net_priority *net_priorities;
	size_t n_net_priorities;
	struct config_rdma *rdma;
	size_t n_rdma;
	struct record_pair *unified;
	size_t n_unified;
};

struct config_intel_rdt {
	char *clos, *l3_schema, *memory_schema;
	char **schemata;
	int monitoring;
};

struct config_memory_policy {
	char *mode, *nodes;
	char **flags;
};

struct config_personality {
	char *domain;
	char **flags;
};

struct config_linux {
	struct config_id_map *uid_maps, *gid_maps;
	size_t n_uid_maps, n_gid_maps;
	struct config_time_offset monotonic, boottime;
	int has_monotonic, has_boottime;
	struct record_pair *sysctl;
	size_t n_sysctl;
	struct config_resources resources;
	char *cgroups_path;
	struct config_namespace *namespaces;
	size_t n_namespaces;
	struct config_device *devices;
	size_t n_devices;
	struct config_net_device *net_devices;
	size_t n_net_devices;
	struct config_seccomp seccomp;
	int has_seccomp;
	char *rootfs_propagation;
	char **masked_paths, **readonly_paths;
	char *mount_label;
	struct config_intel_rdt intel_rdt;
	int has_intel_rdt;
	struct config_memory_policy memory_policy;
	int has_memory_policy;
	struct config_personality personality;
	int has_personality;
};

/* vm: for a container that is a machine. */
struct config_vm {
	char *kernel, *initrd;
	char **kernel_parameters;
	char *image, *image_format;
	int has_kernel, has_image;
	uint64_t vcpus, memory; /* memory in bytes */
};

struct config {
	char *version;
	struct config_process process;
	int has_process;
	char *root;
	int root_readonly, has_root;
	char *hostname, *domainname;
	struct config_mount *mounts;
	size_t n_mounts;
	struct config_hooks hooks[CONFIG_HOOK_TIMES];
	struct record_pair *annotations;
	size_t n_annotations;
	struct config_linux on_linux;
	struct config_vm vm;
	int has_vm;
};

/* Release it even on failure. Any version 1.x is taken. The error says which member is wrong, and why. */
int config_read(const struct json *json, struct config *ret, struct err *err);
/* Of a file, at most CONFIG_SIZE_MAX bytes. */
#define CONFIG_SIZE_MAX (16U << 20)
int config_load(int dirfd, const char *path, struct config *ret, struct err *err);
/* The document again. */
struct json *config_write(const struct config *config);
/* The parts that come alone: a process for exec, resources for update. */
int config_read_process(const struct json *json, struct config_process *ret, struct err *err);
int config_read_resources(const struct json *json, struct config_resources *ret, struct err *err);

void config_release(struct config *config);
void config_process_release(struct config_process *process);
void config_resources_release(struct config_resources *resources);
#define _cleanup_config_	   _cleanup_(config_release)
#define _cleanup_config_process_   _cleanup_(config_process_release)
#define _cleanup_config_resources_ _cleanup_(config_resources_release)

#endif
