/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_INSTANCE_H
#define PROTO_INSTANCE_H

#include <stdint.h>

#include "base/record.h"
#include "base/strv.h"

/*
 * An instance as it is kept on disk, whatever its kind:
 *   ROOT/instances/NAME/instance.json   struct instance: what to run and how, and how it last ended
 *   RUN/NAME/run.json                   struct instance_run: what runs now; of no meaning unless its
 *                                       keeper holds RUN/NAME/lock
 */
/* Beside it, what it has written: a container's, as the folders of an overlay, or a VM's, as an ext4 file system with
 * the folder INSTANCE_UPPER. Both overlays are mounted alike, so a folder is the same in the one as in the other. */
#define INSTANCE_UPPER "upper"
#define INSTANCE_WORK  "work"
#define INSTANCE_DISK  "data.raw"
/*
 * Where runtimes in a container with `nesting` keep theirs: INSTANCE_STORAGE/NAME in the instance's folder, which has to
 * be there before it is launched, is its INSTANCE_STORAGE_AT/NAME. The names end with NULL.
 */
#define INSTANCE_STORAGE    "nested"
#define INSTANCE_STORAGE_AT "var/lib"
extern const char *const instance_storage_names[];

enum instance_kind { INSTANCE_CONTAINER, INSTANCE_VM };
enum instance_engine { INSTANCE_ENGINE_AUTO, INSTANCE_ENGINE_KVM, INSTANCE_ENGINE_QEMU };
/* a cloud kernel of Debian with its initramfs does not come up in less */
#define INSTANCE_VM_MEMORY_MIN ((int64_t)96 << 20)
#define INSTANCE_DISK_MIN      ((int64_t)16 << 20)
#define INSTANCE_VM_CPUS_MAX   255000 /* thousandths; what 8-bit APIC ids can name */

enum instance_restart {
	INSTANCE_RESTART_NO,
	INSTANCE_RESTART_ON_FAILURE,
	INSTANCE_RESTART_ALWAYS,
	INSTANCE_RESTART_UNLESS_STOPPED,
};

enum instance_autostart {
	INSTANCE_AUTOSTART_POLICY, /* as the restart policy has it */
	INSTANCE_AUTOSTART_YES,
	INSTANCE_AUTOSTART_NO,
};

struct instance {
	char *name;
	int kind; /* enum instance_kind */
	char *image, *image_digest;
	char **layers;	 /* diff ids as bare hex, lowest first */
	int64_t created; /* ns since the epoch */
	char **labels;	 /* KEY=VALUE */

	/* the workload: argv is Entrypoint and Cmd resolved; a system instance runs the image's init */
	char **argv, **env;
	char *cwd, *user, *hostname;
	int tty, interactive; /* -t, -i */
	int init;	      /* an init of ours reaps as PID 1 */
	int system;	      /* the workload is an init system */

	/* limits: 0 = none */
	int64_t memory;	    /* bytes */
	int64_t cpus_milli; /* thousandths of a CPU */
	int64_t pids_limit;
	char **rlimits;			 /* NAME=SOFT:HARD */
	int64_t cpu_weight, io_weight;	 /* 1 to 10000, 100 being usual */
	char *cpuset_cpus, *cpuset_mems; /* numbers and ranges, with commas between them */
	int64_t memory_low, memory_high; /* bytes */
	int64_t memory_swap;		 /* bytes of memory and swap together; -1: any */
	char **read_bps, **write_bps, **read_iops, **write_iops; /* [DEVICE:]RATE, a second */
	char **hugetlb;						 /* PAGE:SIZE */
	int oom_kill_disable;
	int64_t oom_score_adj;
	int best_effort; /* what the host cannot limit is not limited */
	char **pending; /* KEY=VALUE (instance/settings.h): what is to be so from its next start on */

	/* the root file system */
	int read_only;
	char **tmpfs;	/* PATH[:OPTIONS] */
	char **volumes; /* SOURCE:PATH[:OPTIONS], see proto/share.h */
	int64_t disk_size; /* VM: bytes of the writable disk; container, if bounded: of all that it has written */
	int bounded;
	char **drives; /* VM: PATH[:OPTIONS], see proto/drive.h */

	/* the network */
	char **networks; /* NETWORK[,KEY=VALUE]..., see proto/nic.h */
	char **ports;	 /* [IP:]HOST:INSIDE/PROTOCOL, see net/publish.h */
	char **dns;	 /* addresses of servers; none: the network's own */
	char **dns_search;
	char **extra_hosts; /* NAME:ADDRESS, of its /etc/hosts */

	/* by a schedule, in ms; 0: none is made, or none expires. See instance/schedule.h */
	int64_t snapshots_every_ms, snapshots_expiry_ms;

	/* with the host */
	int64_t start_order;	/* the lower the earlier at a boot, and the later at a shutdown */
	int64_t start_delay_ms; /* that the next one waits for after its start */

	/* privilege */
	char **cap_add, **cap_drop; /* "NET_ADMIN" or "ALL" */
	char **devices;		    /* HOST[:INSIDE[:rwm]] */
	int privileged;
	int nesting; /* containers may be run inside */

	/* the end */
	int64_t stop_signal;
	int64_t stop_timeout_ms;
	int restart;	     /* enum instance_restart */
	int autostart;	     /* enum instance_autostart */
	int64_t restart_max; /* on-failure: 0 = no bound */
	int remove;	     /* --rm */

	/* VM */
	int engine;	   /* enum instance_engine: what was asked for */
	char *kernel;	   /* name; "image": the image's own; NULL: the default one */
	char *kernel_args; /* added to the kernel's command line; NULL: nothing */
	int huge_pages;	   /* memory from the host's pool of 2 MiB pages */
	int gdb;	   /* a debugger may come: RUN/NAME/gdb.sock */
	int64_t boot_timeout_ms;

	/* how it last ended */
	int has_run;
	int64_t exit_code; /* -1: unknown, its keeper was killed */
	int64_t started, finished;
	int64_t restarts; /* by the restart policy, since the last start */
	int oom_killed;
	int stopped_by_user; /* and not by the host's shutdown */
	char *oom; /* who was killed by want of memory last, and why, one line; a VM's guest may have killed something too */
	int64_t checkpointed; /* ns since the epoch: it was stopped by a checkpoint; 0: it was not */
	char *error;	      /* why it could not start or ended, one line */
};

extern const struct record_table instance_table;
extern const char *const instance_kind_names[];	     /* "container", "vm" */
extern const char *const instance_engine_names[];    /* "auto", "kvm", "qemu" */
extern const char *const instance_restart_names[];   /* "no", "on-failure", ... */
extern const char *const instance_autostart_names[]; /* "policy", "yes", "no" */

/* The defaults of a record. Release with instance_release(). */
void instance_init(struct instance *instance);
void instance_release(struct instance *instance);
#define _cleanup_instance_ _cleanup_(instance_release)
/* Into a zeroed record. */
/* How many vCPUs a VM with these limits has: its CPUs rounded up, and one if it has no limit. */
int64_t instance_vcpus(const struct instance *instance);
int instance_copy(const struct instance *from, struct instance *ret, struct err *err);

/* A VM that boots and a workload that is about to be are "running"; one that waits for its next restart
 * is "stopped". */
enum instance_state {
	INSTANCE_CREATED, /* never started */
	INSTANCE_RUNNING,
	INSTANCE_PAUSED,
	INSTANCE_STOPPED,
	INSTANCE_CHECKPOINTED, /* stopped, and its processes are saved */
};

extern const char *const instance_state_names[];

struct instance_run {
	int state; /* enum instance_state */
	int64_t keeper_pid;
	int64_t pid;	   /* host pid of the container's init or of the VMM */
	int64_t pid_start; /* when pid was started, in the kernel's ticks: a reused pid is not it */
	int64_t started;   /* ns since the epoch */
	char *engine;	   /* "container", "kvm", "qemu" */
	char *cgroup; /* instance_cgroup(): filled by the keeper before the driver's start(); NULL: none could be made */
	char **addresses;
	int64_t vsock_cid; /* VM on KVM: of its AF_VSOCK; RUN/NAME/vsock.sock leads there; 0: none */
	char *kernel;	   /* release that the workload runs on */
	char **unmet;	   /* limits that this host cannot keep, and why */
	int oom_killed;	   /* the driver's, at the end: the memory limit killed a process of it */
	int64_t oom_kills; /* by want of memory since the start, a VM's guest's too */
	char *oom;	   /* the last one, as in the record */
};

extern const struct record_table instance_run_table;

/*
 * The path of an instance's cgroup below the cgroup roots, from its run folder RUN/NAME: "brig/NAME" for
 * the usual RUN, with a part made of RUN's own path in between for any other, so that instances of one
 * name under different roots do not meet. Caller frees.
 */
char *instance_cgroup(const char *run_dir);

static inline void instance_run_release(struct instance_run *run)
{
	record_release(&instance_run_table, run);
}
#define _cleanup_instance_run_ _cleanup_(instance_run_release)

#endif
