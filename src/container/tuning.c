// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/tuning.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "sys/procfs.h"

#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>

#ifndef MPOL_F_NUMA_BALANCING
#define MPOL_F_NUMA_BALANCING (1 << 13) /* Linux 5.12 */
#endif
/* of enum in <linux/mempolicy.h>, Linux 5.15 and 6.9 */
#define TUNING_PREFERRED_MANY	   5
#define TUNING_WEIGHTED_INTERLEAVE 6
#define TUNING_ISO		   4 /* SCHED_ISO: a number that the kernel keeps free */
#define TUNING_CLAMP_NONE	   UINT32_MAX
#define TUNING_PRIORITY_MAX	   99 /* MAX_RT_PRIO - 1 */

struct tuning_value {
	const char *name;
	int value;
};

static const struct tuning_value tuning_policies[] = {
	{ "SCHED_OTHER", SCHED_NORMAL },
	{ "SCHED_FIFO", SCHED_FIFO },
	{ "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH },
	{ "SCHED_ISO", TUNING_ISO },
	{ "SCHED_IDLE", SCHED_IDLE },
	{ "SCHED_DEADLINE", SCHED_DEADLINE },
	{ NULL, 0 },
};

static const struct tuning_value tuning_scheduler_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
	{ "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
	{ "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
	{ NULL, 0 },
};

static const struct tuning_value tuning_io_classes[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
	{ NULL, 0 },
};

static const struct tuning_value tuning_domains[] = {
	{ "LINUX", PER_LINUX },
	{ "LINUX32", PER_LINUX32 },
	{ NULL, 0 },
};

/* The order of the names is that of the values. */
const char *const tuning_memory_modes[] = {
	"MPOL_DEFAULT",
	"MPOL_PREFERRED",
	"MPOL_BIND",
	"MPOL_INTERLEAVE",
	"MPOL_LOCAL",
	"MPOL_PREFERRED_MANY",
	"MPOL_WEIGHTED_INTERLEAVE",
	NULL,
};
const char *const tuning_memory_flags[] = {
	"MPOL_F_NUMA_BALANCING",
	"MPOL_F_RELATIVE_NODES",
	"MPOL_F_STATIC_NODES",
	NULL,
};
static const int tuning_memory_flag_values[] = {
	MPOL_F_NUMA_BALANCING,
	MPOL_F_RELATIVE_NODES,
	MPOL_F_STATIC_NODES,
};

static const struct tuning_value *tuning_find(const struct tuning_value *values, const char *name)
{
	for (; values->name; values++) {
		if (!strcmp(values->name, name))
			return values;
	}
	return NULL;
}

static int tuning_find_name(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++) {
		if (!strcmp(names[i], name))
			return i;
	}
	return -EINVAL;
}

/* The name's value, or an error that lists the names. */
static int tuning_value(const struct tuning_value *values, const char *name, const char *member,
			int *ret, struct err *err)
{
	const struct tuning_value *found = tuning_find(values, name);
	char known[256] = "";
	size_t len = 0;

	if (found) {
		*ret = found->value;
		return 0;
	}
	for (; values->name; values++)
		len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", len ? ", " : "",
					values->name);
	return err_set(err, -EINVAL, "%s: '%.64s' is not one of %s", member, name, known);
}

/* lists */

/* "0-3,7" */
struct tuning_list {
	const char *member;
	unsigned long *bits;
	size_t max;
};

static int tuning_list_add(const struct tuning_list *list, char *part, struct err *err)
{
	char *dash = strchr(part, '-');
	int64_t from = 0, to = 0;
	int r;

	if (dash)
		*dash = '\0';
	r = units_parse_int(part, 0, (int64_t)list->max - 1, &from, err);
	to = from;
	if (r == 0 && dash)
		r = units_parse_int(dash + 1, 0, (int64_t)list->max - 1, &to, err);
	if (r == 0 && to < from)
		r = err_set(err, -EINVAL, "%s-%s goes backwards", part, dash + 1);
	for (size_t i = (size_t)from; r == 0 && i <= (size_t)to; i++)
		list->bits[i / TUNING_WORD] |= 1UL << i % TUNING_WORD;
	return r;
}

static int tuning_list_parse(const struct tuning_list *list, const char *text, int *ret_given,
			     struct err *err)
{
	_cleanup_free_ char *copy = mem_strdup(text);
	char *rest = copy, *part;

	/* absent, and empty, is none */
	if (!text || !*text)
		return 0;
	while ((part = strsep(&rest, ","))) {
		if (tuning_list_add(list, part, err) < 0)
			return err_wrap(err, "%s: '%.64s' is no list like 0-3,7", list->member,
					text);
	}
	*ret_given = 1;
	return 0;
}

/* the rows: check, and apply */

static int tuning_check_oom(const struct config_process *process,
			    const struct config_linux *linux_config _unused_, struct tuning *ret,
			    struct err *err _unused_)
{
	ret->has_oom_score_adj = process->has_oom_score_adj;
	ret->oom_score_adj = (int)process->oom_score_adj;
	return 0;
}

static int tuning_apply_oom(const struct tuning *tuning, pid_t pid, int proc)
{
	char path[32], text[16];

	if (!tuning->has_oom_score_adj)
		return 0;
	snprintf(path, sizeof(path), "%d/oom_score_adj", pid);
	snprintf(text, sizeof(text), "%d", tuning->oom_score_adj);
	return pid ? procfs_write(proc, path, text)
		   : procfs_write_self(proc, "oom_score_adj", text);
}

static int tuning_check_deadline(const struct config_scheduler *config, int policy, struct err *err)
{
	if (policy != SCHED_DEADLINE && (config->runtime || config->deadline || config->period))
		return err_set(err, -EINVAL,
			       "process.scheduler: runtime, deadline and period are for "
			       "SCHED_DEADLINE alone, not for %s",
			       config->policy);
	if (policy != SCHED_DEADLINE)
		return 0;
	if (!config->runtime || config->runtime > config->deadline ||
	    (config->period && config->deadline > config->period))
		return err_set(err, -EINVAL,
			       "process.scheduler: SCHED_DEADLINE needs 0 < runtime <= deadline <= "
			       "period, and a period of 0 is the deadline");
	return 0;
}

static int tuning_check_policy(const struct config_scheduler *config, int policy, struct err *err)
{
	int real_time = policy == SCHED_FIFO || policy == SCHED_RR;

	if (policy == TUNING_ISO)
		return err_set(err, -EOPNOTSUPP,
			       "process.scheduler.policy: no Linux kernel has SCHED_ISO");
	if (real_time && (config->priority < 1 || config->priority > TUNING_PRIORITY_MAX))
		return err_set(err, -EINVAL,
			       "process.scheduler.priority must be 1 to %d with %s, not %lld",
			       TUNING_PRIORITY_MAX, config->policy, (long long)config->priority);
	if (!real_time && config->priority)
		return err_set(
			err, -EINVAL,
			"process.scheduler.priority is for SCHED_FIFO and SCHED_RR alone, not "
			"for %s",
			config->policy);
	return tuning_check_deadline(config, policy, err);
}

static int tuning_check_scheduler(const struct config_process *process,
				  const struct config_linux *linux_config _unused_,
				  struct tuning *ret, struct err *err)
{
	const struct config_scheduler *config = &process->scheduler;
	int policy = 0, flag = 0, r;
	size_t i = 0;

	if (!process->has_scheduler)
		return 0;
	r = tuning_value(tuning_policies, config->policy, "process.scheduler.policy", &policy, err);
	if (r == 0)
		r = tuning_check_policy(config, policy, err);
	if (r < 0)
		return r;
	ret->scheduler = (struct tuning_scheduler){
		.size = sizeof(ret->scheduler),
		.policy = (uint32_t)policy,
		.nice = (int32_t)config->nice,
		.priority = (uint32_t)config->priority,
		.runtime = config->runtime,
		.deadline = config->deadline,
		.period = config->period,
		/* no member says to what: with the flag it is the system's own bound again */
		.clamp_min = TUNING_CLAMP_NONE,
		.clamp_max = TUNING_CLAMP_NONE,
	};
	strv_for_each(name, config->flags) {
		char member[64];

		snprintf(member, sizeof(member), "process.scheduler.flags[%zu]", i++);
		r = tuning_value(tuning_scheduler_flags, *name, member, &flag, err);
		if (r < 0)
			return r;
		ret->scheduler.flags |= (uint64_t)flag;
	}
	ret->has_scheduler = 1;
	return 0;
}

static int tuning_apply_scheduler(const struct tuning *tuning, pid_t pid, int proc _unused_)
{
	struct tuning_scheduler attr = tuning->scheduler;

	if (!tuning->has_scheduler)
		return 0;
	return syscall(SYS_sched_setattr, pid, &attr, 0) < 0 ? -errno : 0;
}

static int tuning_check_io(const struct config_process *process,
			   const struct config_linux *linux_config _unused_, struct tuning *ret,
			   struct err *err)
{
	int class = 0, r;

	if (!process->has_io_priority)
		return 0;
	r = tuning_value(tuning_io_classes, process->io_priority.class, "process.ioPriority.class",
			 &class, err);
	if (r < 0)
		return r;
	if (process->io_priority.priority < 0 || process->io_priority.priority >= IOPRIO_BE_NR)
		return err_set(err, -EINVAL,
			       "process.ioPriority.priority must be 0 to %d, not %lld",
			       IOPRIO_BE_NR - 1, (long long)process->io_priority.priority);
	ret->io_priority = IOPRIO_PRIO_VALUE(class, (int)process->io_priority.priority);
	ret->has_io_priority = 1;
	return 0;
}

/* Of the process, and so of all that it starts; its process group may still be its starter's, too. */
static int tuning_apply_io(const struct tuning *tuning, pid_t pid, int proc _unused_)
{
	if (!tuning->has_io_priority)
		return 0;
	return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, tuning->io_priority) < 0 ? -errno
											 : 0;
}

static int tuning_check_personality(const struct config_process *process _unused_,
				    const struct config_linux *linux_config, struct tuning *ret,
				    struct err *err)
{
	int domain = 0, r;

	if (!linux_config || !linux_config->has_personality)
		return 0;
	r = tuning_value(tuning_domains, linux_config->personality.domain,
			 "linux.personality.domain", &domain, err);
	if (r < 0)
		return r;
	if (linux_config->personality.flags && linux_config->personality.flags[0])
		return err_set(
			err, -EOPNOTSUPP,
			"linux.personality.flags[0]: '%.64s' is not known; the specification "
			"has no flags so far",
			linux_config->personality.flags[0]);
	ret->personality = (unsigned long)domain;
	ret->has_personality = 1;
	return 0;
}

static int tuning_apply_personality(const struct tuning *tuning, pid_t pid _unused_,
				    int proc _unused_)
{
	if (!tuning->has_personality)
		return 0;
	return personality(tuning->personality) < 0 ? -errno : 0;
}

/* As set_mempolicy(2) has it, which says EINVAL and no more. */
static int tuning_check_mode(const char *name, int mode, int flags, int has_nodes, struct err *err)
{
	int none = mode == MPOL_DEFAULT || mode == MPOL_LOCAL;

	if (none && (has_nodes || flags))
		return err_set(err, -EINVAL, "linux.memoryPolicy: %s takes no nodes and no flags",
			       name);
	if (!none && !has_nodes && (mode != MPOL_PREFERRED || flags))
		return err_set(err, -EINVAL, "linux.memoryPolicy.nodes: %s needs some", name);
	if ((flags & MPOL_F_STATIC_NODES) && (flags & MPOL_F_RELATIVE_NODES))
		return err_set(err, -EINVAL,
			       "linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and "
			       "MPOL_F_RELATIVE_NODES exclude each other");
	if ((flags & MPOL_F_NUMA_BALANCING) && mode != MPOL_BIND && mode != TUNING_PREFERRED_MANY)
		return err_set(
			err, -EINVAL,
			"linux.memoryPolicy.flags: MPOL_F_NUMA_BALANCING is for MPOL_BIND and "
			"MPOL_PREFERRED_MANY alone");
	return 0;
}

static int tuning_memory_flag(const struct config_memory_policy *config, int *ret, struct err *err)
{
	size_t i = 0;

	strv_for_each(name, config->flags) {
		int at = tuning_find_name(tuning_memory_flags, *name);

		if (at < 0)
			return err_set(
				err, -EINVAL,
				"linux.memoryPolicy.flags[%zu]: '%.64s' is not one of %s, %s, "
				"%s",
				i, *name, tuning_memory_flags[0], tuning_memory_flags[1],
				tuning_memory_flags[2]);
		*ret |= tuning_memory_flag_values[at];
		i++;
	}
	return 0;
}

static int tuning_check_memory(const struct config_process *process _unused_,
			       const struct config_linux *linux_config, struct tuning *ret,
			       struct err *err)
{
	const struct tuning_list nodes = { "linux.memoryPolicy.nodes", ret->nodes,
					   TUNING_NODES_MAX };
	int mode, flags = 0, r;

	if (!linux_config || !linux_config->has_memory_policy)
		return 0;
	mode = tuning_find_name(tuning_memory_modes, linux_config->memory_policy.mode);
	if (mode < 0)
		return err_set(err, -EINVAL,
			       "linux.memoryPolicy.mode: '%.64s' is no mode of memory",
			       linux_config->memory_policy.mode);
	r = tuning_memory_flag(&linux_config->memory_policy, &flags, err);
	if (r == 0)
		r = tuning_list_parse(&nodes, linux_config->memory_policy.nodes, &ret->has_nodes,
				      err);
	if (r == 0)
		r = tuning_check_mode(tuning_memory_modes[mode], mode, flags, ret->has_nodes, err);
	ret->memory_mode = mode | flags;
	ret->has_memory_policy = 1;
	return r;
}

static int tuning_apply_memory(const struct tuning *tuning, pid_t pid _unused_, int proc _unused_)
{
	if (!tuning->has_memory_policy)
		return 0;
	/* the kernel takes one bit less than it is told of */
	return syscall(SYS_set_mempolicy, tuning->memory_mode,
		       tuning->has_nodes ? tuning->nodes : NULL,
		       tuning->has_nodes ? TUNING_NODES_MAX + 1 : 0) < 0
		       ? -errno
		       : 0;
}

static int tuning_check_initial(const struct config_process *process,
				const struct config_linux *linux_config _unused_,
				struct tuning *ret, struct err *err)
{
	const struct tuning_list list = { "process.execCPUAffinity.initial", ret->initial,
					  TUNING_CPUS_MAX };

	return tuning_list_parse(&list, process->initial_cpus, &ret->has_initial, err);
}

static int tuning_apply_initial(const struct tuning *tuning, pid_t pid, int proc _unused_)
{
	if (!tuning->has_initial)
		return 0;
	return syscall(SYS_sched_setaffinity, pid, sizeof(tuning->initial), tuning->initial) < 0
		       ? -errno
		       : 0;
}

static int tuning_check_final(const struct config_process *process,
			      const struct config_linux *linux_config _unused_, struct tuning *ret,
			      struct err *err)
{
	const struct tuning_list list = { "process.execCPUAffinity.final", ret->final,
					  TUNING_CPUS_MAX };

	return tuning_list_parse(&list, process->final_cpus, &ret->has_final, err);
}

/* Without it, what TUNING_JOINING took away comes back: all that the cgroup has. */
static int tuning_apply_final(const struct tuning *tuning, pid_t pid, int proc _unused_)
{
	static const unsigned long all[] = { [0 ... TUNING_CPUS_MAX / TUNING_WORD - 1] = ~0UL };

	if (!tuning->has_final && !tuning->has_initial)
		return 0;
	return syscall(SYS_sched_setaffinity, pid, sizeof(all),
		       tuning->has_final ? tuning->final : all) < 0
		       ? -errno
		       : 0;
}

/* In the order in which they are applied. */
static const struct tuning_row {
	const char *member;
	enum tuning_time time;
	int (*check)(const struct config_process *process, const struct config_linux *linux_config,
		     struct tuning *ret, struct err *err);
	int (*apply)(const struct tuning *tuning, pid_t pid, int proc); /* no message */
	const char *hint;						/* what it may need */
} tuning_rows[] = {
	{ "process.execCPUAffinity.initial", TUNING_JOINING, tuning_check_initial,
	  tuning_apply_initial, "are there such CPUs?" },
	{ "process.execCPUAffinity.final", TUNING_JOINED, tuning_check_final, tuning_apply_final,
	  "has the container such CPUs?" },
	{ "process.oomScoreAdj", TUNING_PRIVILEGED, tuning_check_oom, tuning_apply_oom,
	  "less than the caller's own needs CAP_SYS_RESOURCE" },
	{ "linux.memoryPolicy", TUNING_READY, tuning_check_memory, tuning_apply_memory,
	  "has the container such nodes, and the kernel this mode?" },
	{ "process.ioPriority", TUNING_PRIVILEGED, tuning_check_io, tuning_apply_io,
	  "IOPRIO_CLASS_RT needs CAP_SYS_NICE" },
	{ "linux.personality", TUNING_READY, tuning_check_personality, tuning_apply_personality,
	  "" },
	/* the last: what comes after a policy like SCHED_IDLE would be slow */
	{ "process.scheduler", TUNING_PRIVILEGED, tuning_check_scheduler, tuning_apply_scheduler,
	  "real time, a deadline and a nice value below 0 need CAP_SYS_NICE; on cgroup version 1, "
	  "linux.resources.cpu.realtimeRuntime, too" },
};

int tuning_of_config(const struct config_process *process, const struct config_linux *linux_config,
		     struct tuning *ret, struct err *err)
{
	*ret = (struct tuning){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(tuning_rows); i++) {
		int r = tuning_rows[i].check(process, linux_config, ret, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int tuning_apply(const struct tuning *tuning, enum tuning_time time, pid_t pid, int proc,
		 struct err *err)
{
	for (const struct tuning_row *row = tuning_rows;
	     row < tuning_rows + ARRAY_SIZE(tuning_rows); row++) {
		int r = row->time == time ? row->apply(tuning, pid, proc) : 0;

		if (r < 0)
			return err_set(err, r, "cannot set %s: %s%s%s%s", row->member, strerror(-r),
				       *row->hint ? " (" : "", row->hint, *row->hint ? ")" : "");
	}
	return 0;
}

/* rlimits */

static int tuning_rlimit(const struct config_rlimit *config, struct privilege_rlimit *ret,
			 struct err *err)
{
	_cleanup_free_ char *text = mem_printf("%.64s=0", config->type);
	struct err ignored = ERR_INIT;

	/* the specification has these in capitals alone */
	if (strncmp(config->type, "RLIMIT_", 7) != 0 ||
	    strpbrk(config->type, "=:abcdefghijklmnopqrstuvwxyz") ||
	    privilege_parse_rlimit(text, ret, &ignored) < 0)
		return err_set(err, -EINVAL, "type: there is no limit '%.64s'; see getrlimit(2)",
			       config->type);
	if (config->soft > config->hard)
		return err_set(err, -EINVAL, "soft: %llu is more than the hard limit %llu",
			       (unsigned long long)config->soft, (unsigned long long)config->hard);
	ret->soft = config->soft;
	ret->hard = config->hard;
	return 0;
}

int tuning_rlimits(const struct config_process *process, struct privilege_rlimit **ret,
		   size_t *ret_n, struct err *err)
{
	struct privilege_rlimit *limits = mem_zalloc((process->n_rlimits + 1) * sizeof(*limits));

	*ret = limits;
	*ret_n = process->n_rlimits;
	for (size_t i = 0; i < process->n_rlimits; i++) {
		if (tuning_rlimit(&process->rlimits[i], &limits[i], err) < 0)
			return err_wrap(err, "process.rlimits[%zu]", i);
		for (size_t j = 0; j < i; j++) {
			if (limits[j].resource == limits[i].resource)
				return err_set(err, -EINVAL,
					       "process.rlimits[%zu].type: %s is in [%zu], too", i,
					       process->rlimits[i].type, j);
		}
	}
	return 0;
}
