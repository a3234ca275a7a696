/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_CGROUP_H
#define SYS_CGROUP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Control groups, whatever the host has below /sys/fs/cgroup. A group is named by one path
 * ("brig/NAME") below the roots of all hierarchies, and exists only in those that it needs, since
 * each costs time at every start. Callers name what they want (limits, figures, a freeze); which
 * version's file that is, is decided here.
 */
enum cgroup_layout {
	CGROUP_LAYOUT_NONE,
	CGROUP_LAYOUT_UNIFIED, /* version 2 has everything */
	CGROUP_LAYOUT_HYBRID,  /* version 1 controllers, version 2 at /sys/fs/cgroup/unified */
	CGROUP_LAYOUT_LEGACY,  /* version 1 alone */
};

extern const char *const cgroup_host_layout_names[]; /* "none", "unified", "hybrid", "legacy" */

enum {
	CGROUP_CORE = 1 << 0, /* the version 2 hierarchy itself */
	CGROUP_MEMORY = 1 << 1,
	CGROUP_CPU = 1 << 2,
	CGROUP_CPUACCT = 1 << 3,
	CGROUP_PIDS = 1 << 4,
	CGROUP_FREEZER = 1 << 5,
	CGROUP_DEVICES = 1 << 6,
	CGROUP_SYSTEMD = 1 << 7, /* version 1's name=systemd */
	CGROUP_CPUSET = 1 << 8,
	CGROUP_BLKIO = 1 << 9, /* version 2 calls it io */
	CGROUP_HUGETLB = 1 << 10,
	CGROUP_NET_CLS = 1 << 11,
	CGROUP_NET_PRIO = 1 << 12,
	CGROUP_PERF_EVENT = 1 << 13,
	CGROUP_RDMA = 1 << 14,
	CGROUP_MISC = 1 << 15,
	CGROUP_ALL = (1 << 16) - 1,
	CGROUP_UNMOUNTED =
		1 << 16, /* the version 2 hierarchy even where the host has not mounted it */
};

enum cgroup_layout cgroup_host_layout(void);
/* What there is to limit and measure with on this host, however it is mounted. */
unsigned int cgroup_host_controllers(void);
/* 1 or 2: the version that has this one controller; 0: neither. */
int cgroup_host_version(unsigned int controller);
/* What the kernel calls it: "io"; "": nothing. */
const char *cgroup_host_name(unsigned int controller);

/* 0: no limit */
struct cgroup_limits {
	int64_t memory;	    /* bytes, swap included */
	int64_t cpus_milli; /* thousandths of a CPU, at least 10 */
	int64_t pids;
};

/* A rule about devices, as version 1 takes them; a group starts with everything allowed. */
struct cgroup_device {
	char type;	      /* 'a', 'b' or 'c' */
	int64_t major, minor; /* -1: all */
	char access[4];	      /* of "rwm" */
	int allow;
};

struct cgroup;

/*
 * Makes the group, with no limit and no process in it; a dead group of that name is replaced
 * (-EBUSY if it is alive). path: without "", "." and ".." between its slashes (-EINVAL). also: more of
 * CGROUP_* that it shall have if the host does: CGROUP_ALL for an engine whose callers find a container's figures by
 * /proc/PID/cgroup, CGROUP_UNMOUNTED for an init system. That the host lacks one is no error.
 */
int cgroup_create(const char *path, unsigned int also, struct cgroup **ret, struct err *err);
/*
 * The same for what can do without, as a user's machines do: 0 with *ret NULL if a user can make no such group. What
 * is above it is left alone.
 */
int cgroup_try(const char *path, unsigned int also, struct cgroup **ret, struct err *err);
/*
 * The same for a group that an init system has made: where it is there it stays, processes and all, and where it
 * is not it is made.
 */
int cgroup_adopt(const char *path, unsigned int also, struct cgroup **ret, struct err *err);
/*
 * A group that is there and in use gets into the hierarchies, or has the controllers enabled, that it lacks of `also`, with
 * all its processes. What the host lacks is no error, as above.
 */
int cgroup_extend(const char *path, unsigned int also, struct cgroup **ret, struct err *err);
/* An existing group; -ENOENT (and no message) if it is in no hierarchy. */
int cgroup_open(const char *path, struct cgroup **ret);
/* The same, but only where it has something of `need` (CGROUP_*): quicker, and good for that alone. */
int cgroup_open_for(const char *path, unsigned int need, struct cgroup **ret);
/* Lets go of the group, which stays. NULL is fine. Returns NULL. */
struct cgroup *cgroup_free(struct cgroup *cgroup);

static inline void cgroup_freep(struct cgroup **cgroup)
{
	*cgroup = cgroup_free(*cgroup);
}
#define _cleanup_cgroup_ _cleanup_(cgroup_freep)

/* The hierarchies that it is in, as /proc/PID/cgroup names them: "memory", "name=systemd", "" for version 2. Caller
 * frees. */
char **cgroup_host_hierarchies(const struct cgroup *cgroup);

/*
 * The folders above the group are somebody else's (a pod's, an engine's), so cgroup_destroy() leaves them
 * even if they have become empty. Without this it removes those but for the topmost.
 */
void cgroup_keep_parents(struct cgroup *cgroup);

/*
 * Files of a controller, for what is not worth a function of its own here. Of what version 2 has built in
 * (freezer, devices, cpuacct), the files there belong to CGROUP_CORE.
 *
 * 1 or 2: the version that has the controller for this group; -ENOENT: neither, or cgroup is NULL.
 */
int cgroup_version(const struct cgroup *cgroup, unsigned int controller);
/* file: a plain name. -ENOENT: no such controller or file; what else the kernel says to the value. */
int cgroup_write(const struct cgroup *cgroup, unsigned int controller, const char *file,
		 const char *value);
/*
 * Takes anonymous memory of the group to swap, bytes of it as far as there is such. Nothing of it lasts: what its processes
 * need again they get. A kernel that cannot be told to leave files alone (before 6.8) takes so many bytes of idle ones
 * first, so these are asked for on top. -EAGAIN: it was less. -EOPNOTSUPP: only version 2 of Linux 5.19 can
 * (memory.reclaim).
 */
int cgroup_reclaim(const char *path, uint64_t bytes, uint64_t idle_files);
/* The file as a string without the last line's end; caller frees. */
int cgroup_read(const struct cgroup *cgroup, unsigned int controller, const char *file, char **ret);

int cgroup_set_limits(struct cgroup *cgroup, const struct cgroup_limits *limits, struct err *err);
/*
 * In order, the last match wins. Where version 1 has the controller, CGROUP_DEVICES must have been asked for.
 * A user namespace may not limit them, and needs not: it makes no nodes, and has those that it was given. There it is
 * success without effect.
 * -E2BIG: more than CGROUP_DEVICES_MAX, of which version 2's verifier takes at least as many: it holds
 * BPF_COMPLEXITY_LIMIT_JMP_SEQ (8192) jumps in mind, and a rule is up to four.
 */
#define CGROUP_DEVICES_MAX 1024
int cgroup_set_devices(struct cgroup *cgroup, const struct cgroup_device *rules, size_t n,
		       struct err *err);
/* 1: a program of version 2's decides about devices here; 0: none does; -errno. */
int cgroup_has_device_program(const struct cgroup *cgroup);
/* Lets uid divide the group's part of version 2 (or name=systemd), as an init system does. */
int cgroup_delegate(struct cgroup *cgroup, uid_t uid, gid_t gid, struct err *err);

/*
 * The way in. A process joins by itself, which costs 0.2 ms where being moved by another waits for
 * an RCU grace period: open the files before fork(), call cgroup_join() in the child,
 * single-threaded. With clone3(CLONE_INTO_CGROUP) on the folder `into` (-EBADF: no version 2) the
 * child is there at birth and passes born_in = 1.
 */
#define CGROUP_HIERARCHIES_MAX 16
struct cgroup_entry {
	int into;
	int fds[CGROUP_HIERARCHIES_MAX];
	size_t n;
};
#define CGROUP_ENTRY_INIT ((struct cgroup_entry){ .into = -EBADF })
int cgroup_entry_open(const struct cgroup *cgroup, struct cgroup_entry *ret, struct err *err);
/*
 * The same beside a process of the group: where an init system has divided the group, its own folder of
 * version 2 takes no more processes, but the one that the process is in does.
 */
int cgroup_entry_open_beside(const struct cgroup *cgroup, pid_t pid, struct cgroup_entry *ret,
			     struct err *err);
void cgroup_entry_release(struct cgroup_entry *entry);
/* Returns 0 or -errno; allocates nothing. */
int cgroup_join(const struct cgroup_entry *entry, int born_in);

/* Moves another process, with all its threads, into the group. Slow: see above. */
int cgroup_move(const struct cgroup *cgroup, pid_t pid);

/* Every process in the group and below it, as our pid namespace numbers them; caller frees. */
int cgroup_pids(const struct cgroup *cgroup, pid_t **ret, size_t *ret_n);
/* 1 if the process is in the group or below it, 0 if not, -errno if it cannot be told. */
int cgroup_has_process(const char *path, pid_t pid);

/* Processes of it that want of memory has killed; 0 where the kernel does not count. More figures: sys/cgroup_meter.h. */
int64_t cgroup_oom_kills(const struct cgroup *cgroup);

/*
 * Hears of processes in the group that want for memory. fd: for epoll, with events; at one of them ask
 * cgroup_oom_count(), which tells how many times it has come to that since the last time.
 */
struct cgroup_oom {
	int fd;
	uint32_t events;
	uint64_t seen;
	int version;
};
#define CGROUP_OOM_INIT ((struct cgroup_oom){ .fd = -EBADF })
/* -EOPNOTSUPP: this host does not tell. */
int cgroup_oom_open(const struct cgroup *cgroup, struct cgroup_oom *ret, struct err *err);
uint64_t cgroup_oom_count(struct cgroup_oom *oom);
void cgroup_oom_release(struct cgroup_oom *oom);

/* Stops or continues all processes; that they stand still comes soon after. */
int cgroup_freeze(struct cgroup *cgroup, int frozen, struct err *err);
/* 1 if the group, or one above it, stands still or is about to; 0 if not; -EOPNOTSUPP, -errno. */
int cgroup_is_frozen(const struct cgroup *cgroup);
/* The folder of the hierarchy that cgroup_freeze() stops it in; caller frees. NULL: there is none. */
char *cgroup_freezer(const struct cgroup *cgroup);
/* SIGKILL to everything in it, frozen or not. */
int cgroup_kill(struct cgroup *cgroup);

/*
 * Kills what is in the group, waits until it is gone, and removes the group. -EBUSY after
 * timeout_ms if something does not die (a process in an uninterruptible sleep). An empty group goes
 * at once.
 */
int cgroup_destroy(struct cgroup *cgroup, int timeout_ms, struct err *err);
/* The same by path; a group that is not there is success. */
int cgroup_remove(const char *path, int timeout_ms, struct err *err);

#endif
