/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_SPEC_H
#define CONTAINER_SPEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/record.h"
#include "container/config.h"
#include "container/privilege.h"
#include "container/tuning.h"
#include "proto/instance.h"
#include "proto/process.h"
#include "sys/caps.h"
#include "sys/cgroup.h"
#include "sys/idmap.h"
#include "sys/rlimit.h"

/*
 * What the engine makes a container of: an OCI runtime configuration, checked and in the kernel's terms. An
 * instance's record becomes one by spec_of_instance(), a bundle's configuration by spec_of_config(); the
 * engine looks at nothing else.
 */

/* One of mounts[]. type "bind" shows `source`, a path on the host; other types are file systems. */
struct spec_mount {
	char *destination, *type, *source;
	char **options;	  /* as mount(8) and the OCI runtime specification have them */
	int if_exists;	  /* left out where the root has no such file, instead of making it */
	int if_source;	  /* left out where the host has no such source */
	int unless_link;  /* left out where the root has a symbolic link there */
	struct idmap ids; /* of its own, for "idmap"; else the container's */
	int fill;	  /* an empty folder gets what the root has at destination */
	int is_store;	  /* shown nowhere itself: what is in it are devices for elsewhere */
	/* 1 + which of mounts[], a tmpfs right above that nobody else has seen, it has its place in; else 0 */
	size_t within;
};

/* One of linux.devices[]: a node of the host's, shown at path; without a source, one made by number. */
struct spec_device {
	char *source, *path;
	mode_t mode; /* S_IFCHR, S_IFBLK or S_IFIFO, and permissions */
	dev_t number;
	uid_t uid; /* in the container */
	gid_t gid;
	char access[4]; /* of "rwm" */
};

/* A namespace of somebody else's. */
struct spec_join {
	uint64_t type; /* CLONE_NEW* */
	char *path;
};

/* What hooks are run with, and a filter's listener is told; all borrowed. times: by enum config_hook_time. */
struct spec_hooks {
	const struct config_hooks *times; /* NULL: none */
	const char *version, *id, *bundle;
	const struct record_pair *annotations;
	size_t n_annotations;
};

/* Who hears of a filter that is listened to; borrowed. */
struct spec_listener {
	const char *path;     /* of an AF_UNIX stream socket; NULL: nobody */
	const char *metadata; /* may be NULL */
};

struct spec {
	/* process */
	struct process process; /* borrowed, but for env */
	int has_identity;	/* else by process.user, in the root's /etc/passwd */
	struct process_identity identity;
	gid_t *groups; /* what it borrows */
	mode_t umask;
	uint64_t bounding;     /* capabilities that it and its children can ever have */
	struct caps_sets caps; /* those that it has */
	int caps_of_root;      /* has them only as uid 0 */
	int no_new_privs;
	int init; /* a reaper of ours is PID 1 */
	struct privilege_rlimit *rlimits;
	size_t n_rlimits;
	int seccomp;		   /* the profile for the bounding set */
	int nesting;		   /* it runs containers of its own */
	struct filter filter;	   /* or this one, if it is not empty */
	unsigned int filter_flags; /* SECCOMP_FILTER_FLAG_* */
	int notifies;		   /* it has SECCOMP_RET_USER_NOTIF: somebody listens (listener) */
	struct tuning tuning;
	const struct config_process *labels; /* borrowed; NULL: none for security modules */
	int inherit_stdio;		     /* our own 0 to 2, instead of pipes */
	unsigned int preserve_fds;	     /* so many from 3 up are passed on */
	int keep_keyring;		     /* it stays in the caller's session keyring */
	int gated;   /* set up, it waits for launch_start() or somebody at the gate */
	int at_once; /* see launch_can_go_at_once(); not gated */

	/*
	 * root: the folder root_path; or else layers (erofs images, or folders if it is unprivileged), lowest
	 * first, below a writable one in state_dir
	 */
	const char *root_path;
	char *root_folder;	   /* what root_path borrows, if it is ours */
	uint64_t root_propagation; /* MS_SHARED and its like; 0: private */
	char *const *layers;
	struct layer_share *layer_share; /* borrowed; NULL: mounts are its own */
	const char *state_dir;
	int read_only;
	int temporary;	    /* need not survive a crash of the host */
	int64_t disk_bound; /* bytes that the writable layer may have; 0: any */
	struct spec_mount *mounts;
	size_t n_mounts;
	struct spec_device *devices;
	size_t n_devices;
	int bare_dev; /* nothing is mounted at /dev: the default devices come to the root's own */
	int all_devices; /* every device node of the host, as --privileged has them */
	char **masked_paths, **readonly_paths;
	char *hostname, *domainname;
	struct spec_hooks hooks;
	struct spec_listener listener;

	/* linux */
	int unprivileged;    /* its keeper is not root: all mounts are made by the first process */
	int no_nodes;	     /* no device nodes can be made: those of the host are shown */
	uint64_t namespaces; /* CLONE_NEW* of its own */
	struct spec_join *joins;
	size_t n_joins;
	struct idmap idmap;			       /* with CLONE_NEWUSER */
	struct config_time_offset monotonic, boottime; /* of its clocks, with CLONE_NEWTIME */
	int open_network; /* ports below 1024 and ping need no capability, as docker has it */
	int wired; /* somebody makes interfaces for it, which it waits for (container/inner.h) */
	const struct record_pair *sysctl; /* borrowed */
	size_t n_sysctl;
	const struct config_net_device *net_devices; /* borrowed */
	size_t n_net_devices;
	char *cgroup_path;   /* NULL: it stays in the caller's group */
	int cgroup_made;     /* an init system has made that one for it */
	int cgroup_optional; /* where none can be made, it does without, unless limit() says no */
	unsigned int cgroup_also; /* controllers that it is in besides, CGROUP_* */
	/* Sets the limits of the group, which is fresh, or missing is why there is none. NULL: there are none. */
	int (*limit)(void *ctx, int has_group, const char *missing, struct err *err);
	void *limit_ctx;
	int cgroup_delegate;		    /* it may divide its cgroup further */
	int limit_devices;		    /* by the device cgroup, to what it was given */
	struct cgroup_device *device_rules; /* or to these */
	size_t n_device_rules;
	const struct config_resources *resources; /* borrowed; NULL: limit() is all */
};

void spec_release(struct spec *spec);
#define _cleanup_spec_ _cleanup_(spec_release)

/* An instance's: root has them, others can get them by set-user-id programs. */
void spec_set_caps(struct spec *spec, uint64_t caps);

/* What hooks are run with, and who listens to the filter, of a configuration that stays. */
void spec_set_hooks(struct spec *spec, const struct config *config, const char *id,
		    const char *bundle);

/* The state that they are told (runtime.md, "State"), the value of the caller's; status and pid as below. */
struct json *spec_state(const struct spec *spec, const char *status, pid_t pid);
/* Runs the hooks of a time with the container's state; status as in the state, pid as its reader sees it. */
int spec_hooks_run(const struct spec *spec, enum config_hook_time time, const char *status,
		   pid_t pid, struct err *err);
/* Those of poststop: all of them, whatever one does; a failure is logged as a warning. */
void spec_hooks_run_last(const struct spec *spec);

/* Adds a mount; options are separated by commas. */
void spec_add_mount(struct spec *spec, const char *destination, const char *type,
		    const char *source, const char *options);

/* Lets it be in a namespace that is there: path leads to it in /proc, of the launching process. */
void spec_add_join(struct spec *spec, uint64_t type, const char *path);

/* Shows a device of the host's at path, where its nodes cannot be made; left out where there is none. */
void spec_bind_device(struct spec *spec, const char *source, const char *path);
/* The same of what every container has in /dev. */
void spec_bind_standard_devices(struct spec *spec);

/* Whether it has a user namespace that is not the caller's. */
int spec_has_userns(const struct spec *spec);

/* CLONE_NEW* of all that it has, its own or somebody else's, but not the caller's. */
uint64_t spec_namespaces(const struct spec *spec);

/* Whether a process of it has something to set through /proc (sys/procfs.h). */
int spec_needs_proc(const struct spec *spec);

/* Who its process is; in its root. */
int spec_identify(const struct spec *spec, struct process_identity *ret, struct err *err);

/* Of the calling process, which becomes one of the container's. */
int spec_apply_rlimits(const struct spec *spec, struct err *err);
/* Of whoever clones such a process, before it does: what only they may raise. */
void spec_raise_rlimits(const struct spec *spec);

/* What seccomp_profile_get() makes its filter for. */
uint64_t spec_profile(const struct spec *spec);

/* What its processes give up; filter may be NULL. */
void spec_privilege(const struct spec *spec, const struct filter *filter, int death_signal,
		    struct privilege *ret);

/* The capabilities that an instance's processes can have. */
int spec_caps(const struct instance *instance, uint64_t *ret, struct err *err);

/*
 * The container that an instance asks for. files_dir: where "hostname" and "hosts" lie that are shown in
 * /etc, and "resolv.conf" if there is to be one (NULL: none). process, layers and state_dir are borrowed. One
 * that shares the network of another (NIC_OF) has that of the caller as long as no spec_add_join() says which.
 */
int spec_of_instance(const struct instance *instance, const struct process *process,
		     char *const *layers, const char *state_dir, const char *cgroup_path,
		     const char *files_dir, struct spec *ret, struct err *err);

/* From here on it has none. */
void spec_drop_mounts(struct spec *spec);

/* Those of an instance (`volumes` of its record), after all other mounts. root: ROOT. */
int spec_add_shares(struct spec *spec, char *const *shares, const char *root, struct err *err);

/*
 * The container that a bundle's configuration asks for. bundle: the whole path of its folder. All three are
 * borrowed, and config must stay as it is. rootless: we are not the host's root, and do without what only he
 * may do. Errors name the member: "linux.namespaces[1].type: ...". What the
 * engine cannot do is refused, never left out.
 */
int spec_of_config(const struct config *config, const char *id, const char *bundle, int rootless,
		   struct spec *ret, struct err *err);

/* In a spec of the container: the process that joins it. Errors name members below "process". */
int spec_set_process(struct spec *spec, const struct config_process *process, struct err *err);

#endif
