/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_CGROUP_METER_H
#define SYS_CGROUP_METER_H

#include <stdint.h>

/*
 * Figures of many control groups: the hierarchies are looked for once, and each group costs but its files. What this host
 * does not count for a group is -1, and never 0.
 */
enum cgroup_pressure {
	CGROUP_PRESSURE_CPU,
	CGROUP_PRESSURE_MEMORY,
	CGROUP_PRESSURE_IO,
	CGROUP_PRESSURES
};

struct cgroup_stats {
	int64_t memory; /* bytes in use, without file pages that nobody has used of late */
	int64_t anon,
		anon_idle;    /* bytes of it that only swap can take; of these, not used of late */
	int64_t file_idle;    /* bytes of file pages that nobody has used of late */
	int64_t swap;	      /* bytes */
	int64_t cpu_ns;	      /* time that its processes have run */
	int64_t throttled_ns; /* that they were kept from running by a limit */
	int64_t throttled, periods; /* in so many of its periods of use */
	int64_t pids;
	int64_t read_bytes, written_bytes; /* of block devices */
	int64_t oom_kills;		   /* processes that want of memory killed */
	/* Hundredths of per cent of the last 10 s in which something of it waited: "some" of the kernel's psi.rst. */
	int64_t pressure[CGROUP_PRESSURES];
};
#define CGROUP_STATS_UNKNOWN                         \
	((struct cgroup_stats){ .memory = -1,        \
				.anon = -1,          \
				.anon_idle = -1,     \
				.file_idle = -1,     \
				.swap = -1,          \
				.cpu_ns = -1,        \
				.throttled_ns = -1,  \
				.throttled = -1,     \
				.periods = -1,       \
				.pids = -1,          \
				.read_bytes = -1,    \
				.written_bytes = -1, \
				.oom_kills = -1,     \
				.pressure = { -1, -1, -1 } })

struct cgroup_meter;

struct cgroup_meter *cgroup_meter_new(void);
struct cgroup_meter *cgroup_meter_free(struct cgroup_meter *meter); /* returns NULL */
/* path: as of cgroup_open(). A group that is nowhere has no figures. */
void cgroup_meter_read(const struct cgroup_meter *meter, const char *path,
		       struct cgroup_stats *ret);
/* The same of memory and its pressure alone, for whoever looks often. */
void cgroup_meter_read_memory(const struct cgroup_meter *meter, const char *path,
			      struct cgroup_stats *ret);
/* "some avg10=1.23 ..." in the text of a file of pressure, in hundredths; -1: it says nothing. */
int64_t cgroup_meter_pressure(const char *text);

static inline void cgroup_meter_freep(struct cgroup_meter **meter)
{
	*meter = cgroup_meter_free(*meter);
}
#define _cleanup_cgroup_meter_ _cleanup_(cgroup_meter_freep)

#endif
