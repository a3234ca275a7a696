/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_DRIVER_H
#define PROTO_DRIVER_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "proto/drive.h"
#include "proto/instance.h"
#include "proto/message.h"
#include "proto/process.h"

/*
 * How the life cycle reaches an engine. An instance's keeper makes one driver and talks with it in the
 * vocabulary of proto/message.h: channel 0 is the main workload, further channels are sessions of
 * clients (only where sessions is set; a container's are started by the client itself, by enter/exec).
 * Everything here runs in the keeper's one thread and loop; no call blocks, but for the start from a checkpoint,
 * which is waited for.
 *
 *   start -> [STARTED or ERROR on channel 0] -> OUT/ERR... -> EXIT on channel 0 -> ended()
 *
 * Invariants that every driver keeps:
 *  1. ended() comes exactly once after a successful start(), also after an ERROR, and nothing comes
 *     after it; by then no process, cgroup or mount of the instance is left.
 *  2. EXIT of a channel comes after its last OUT and ERR.
 *  3. Unconsumed output of a channel never exceeds MESSAGE_WINDOW: the driver stops reading.
 *  4. deliver() may be called from inside a call of the keeper (send, consumed, kill); writable() and
 *     ended() may too, the keeper takes care of that.
 *  5. Everything the driver starts dies with the keeper (PDEATHSIG), whatever ends the keeper.
 */
struct driver;

struct driver_host_ops {
	void (*deliver)(void *ctx, uint32_t channel, uint16_t type, const void *payload,
			size_t len);
	/* room() of the channel has become larger than 0 again */
	void (*writable)(void *ctx, uint32_t channel);
	/*
	 * The network namespace of process pid is there and has nothing but its loopback interface: it gets its
	 * interfaces, all of them up. Of containers that have interfaces (proto/nic.h).
	 */
	int (*wire)(void *ctx, pid_t pid, struct err *err);
	/*
	 * The instance's control group, run->cgroup, is there and has nothing in it yet, or has got more to do: it gets its
	 * limits. overhead: bytes that a VM's processes take beside the guest's memory. missing: there is no group, and
	 * why (NULL: a user can make none); then only what is kept without one may have been asked for.
	 */
	int (*limit)(void *ctx, int64_t overhead, int has_group, const char *missing,
		     struct err *err);
	/* The machine is there, and its workload waits for release(). Where held is set. */
	void (*ready)(void *ctx);
	/* What plug() or unplug() has begun is done, or has failed and changed nothing. */
	void (*changed)(void *ctx, const struct err *err);
	/* The machine or namespace is gone. err NULL: after the workload's EXIT, as it should be. */
	void (*ended)(void *ctx, const struct err *err);
};

/*
 * What stands behind a network card of a VM: the queues of a tap, or a stream socket on which each packet comes after its
 * length (32 bits, big-endian; as passt and QEMU have it). The descriptors are the keeper's.
 */
#define DRIVER_QUEUES_MAX 16 /* pairs of a card */

struct driver_nic {
	uint8_t mac[6];
	uint16_t mtu;	 /* 0: the guest is not told */
	uint32_t queues; /* pairs: as many taps; 0: it is the stream */
	const int *taps; /* sys/tap.h */
	int vhost; /* the host has vhost-net: the engine opens as many for its process (sys/vhost.h) */
	int stream;
};

/* What an instance that runs can get and lose: a VM all of it, a container shares. The descriptors are the keeper's. */
struct driver_device {
	enum message_device kind;
	const struct driver_nic *nic; /* a card; of one that goes its address counts */
	uint64_t
		disk_size; /* the instance's own disk has become that large, in bytes; it only grows */
	const char *share;	   /* a share, as the record has it (proto/share.h) */
	const struct drive *drive; /* a disk more (proto/drive.h) */
	int drive_fd;		   /* of one that comes */
	/* What the guest is told (enum message_device) of one that comes, and of one that goes. */
	const char *setup, *name;
};

/* A VM's root that is a folder of the host's, in place of layers and a disk of its own. */
struct driver_root {
	const char
		*folder; /* with all that is mounted below; what is read-only there is so inside */
	/* What is done inside: struct guest_config (proto/guest.h) has both. */
	char *const *mounts, *const *sysctls;
};

/* What a keeper gives to start(); everything outlives the driver. */
struct driver_host {
	struct loop *loop;
	const struct instance *instance;
	struct instance_run
		*run;	       /* the driver fills pid and kernel before STARTED; cgroup is given */
	const char *state_dir; /* ROOT/instances/NAME: the writable layer or disk lives here */
	const char *run_dir;   /* RUN/NAME: mount points, sockets; emptied by the keeper */
	const char *root;      /* ROOT */
	char *const *layer_paths;	 /* erofs images, lowest first */
	const char *vmlinux, *initramfs; /* VMs only */
	const struct driver_root
		*folder_root;	       /* VMs only; NULL: layers, and the disk in state_dir */
	int held;		       /* VMs only: the main workload waits for release() */
	struct process process;	       /* the main workload */
	const struct driver_nic *nics; /* VMs only */
	size_t n_nics;
	char *const *
		nic_setups; /* VMs only: what its cards are to be inside, struct nic_setup as text */
	const char *hosts,
		*resolv_conf; /* what stands in those files of /etc; NULL: what else would */
	int netns; /* containers only, with NIC_OF: the network namespace to be in, the keeper's; else -EBADF */
	unsigned int controllers; /* that the group has to have for its limits (CGROUP_*) */
	const char *restore;	  /* folder of a checkpoint to go on from; NULL: a start anew */
	const struct driver_host_ops *ops;
	void *ctx;
};

/* A running instance as a client (not its keeper) sees it; see enter and exec. */
struct driver_target {
	const struct instance *instance;
	const struct instance_run *run; /* NULL: not running */
	const char *root;		/* ROOT */
	const char *state_dir;
	char *const *layer_paths;
};

struct driver_ops {
	const char *engine; /* "container", "qemu", "kvm" */
	int kind;	    /* enum instance_kind */
	int sessions;	    /* EXEC, TREE_*, STATS, PROCS go over send() on channels of their own */
	/*
	 * What an instance's state_dir has of it, NULL-terminated: files and folders that are its writable data, which
	 * snapshots keep; and such as are made anew by a start, and belong to the data they were made for.
	 */
	const char *const *data, *const *scratch;

	int (*start)(const struct driver_host *host, struct driver **ret, struct err *err);
	/* The workload that was held may start; after ready(), once. NULL: none is. */
	void (*release)(struct driver *driver);
	/* Bytes of IN that the channel takes now. */
	size_t (*room)(struct driver *driver, uint32_t channel);
	/* A request or IN, IN_END, SIGNAL, RESIZE, CLOSE. IN must fit room(). */
	void (*send)(struct driver *driver, uint32_t channel, uint16_t type, const void *payload,
		     size_t len);
	/* The keeper has passed on this much OUT and ERR of the channel. */
	void (*consumed)(struct driver *driver, uint32_t channel, size_t len);
	int (*pause)(struct driver *driver, int paused, struct err *err);
	/* Of a VM, also one that boots; what comes of it is the guest's affair. NULL: has no buttons. */
	int (*press)(struct driver *driver, enum message_button button, struct err *err);
	/*
	 * An instance that runs gets a device, which a guest is told of and sets up; or loses it, once the guest has let
	 * go of it, or nothing in the container uses it (forced: whether that is so or not). One at a time. After 0 changed()
	 * says how it went: always, and before ended(). The device stays the caller's and has to be there until then.
	 * NULL: not with this engine.
	 */
	int (*plug)(struct driver *driver, const struct driver_device *device, struct err *err);
	int (*unplug)(struct driver *driver, const struct driver_device *device, int forced,
		      struct err *err);
	/*
	 * Limits of the instance's record have changed that the engine or the guest keeps: a VM's memory and CPUs, of
	 * which the guest is to do without what is less than it was started with, the number of its processes, the rates of
	 * its own disks. It is asked for, and comes as the guest does it. NULL: a container has none.
	 */
	int (*tune)(struct driver *driver, struct err *err);
	/* Ends everything at once, clean or not; EXIT (137) and ended() follow. */
	void (*kill)(struct driver *driver);
	void (*free)(struct driver *driver); /* after ended(), or after a failed start */

	/* Called by clients (a process with nothing else in it), where sessions is 0: */

	/*
	 * Starts a process in the running instance as a child of the caller, in all its namespaces and
	 * its cgroup, with the instance's capabilities and filter. stdio: three descriptors; with
	 * process->tty they are not used and *ret_pty is the terminal's master. Failures before execve
	 * come back as err with its exit_status.
	 */
	int (*exec)(const struct driver_target *target, const struct process *process,
		    const int stdio[3], pid_t *ret_pid, int *ret_pty, struct err *err);
	/*
	 * Runs fn in a child of the caller whose root is the instance's (mounted for it if the instance
	 * is not running), with the instance's user namespace; fn's value is the child's exit status.
	 */
	int (*enter)(const struct driver_target *target, int (*fn)(void *ctx), void *ctx,
		     pid_t *ret_pid, struct err *err);
	/*
	 * Saves the processes of the running instance in a folder, for a later start that has it as restore. What
	 * was stopped by pause stays so; the instance is as it was afterwards, and its end is the caller's affair.
	 * NULL: the engine cannot.
	 */
	int (*checkpoint)(const struct driver_target *target, const char *images, struct err *err);
	/* Removes what the engine keeps on disk or at run time for an instance that does not run (dead
	 * cgroups, ...). Idempotent; also after any crash. */
	int (*clean)(const struct instance *instance, const char *state_dir, const char *run_dir,
		     struct err *err);
};

#endif
