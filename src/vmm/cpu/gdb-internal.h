/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_CPU_GDB_INTERNAL_H
#define VMM_CPU_GDB_INTERNAL_H

#include "base/buf.h"
#include "vmm/cpu/gdb.h"
#include "vmm/cpu/gdb_break.h"
#include "vmm/cpu/gdb_packet.h"

/* Shared by gdb.c (the connection, and when the guest runs) and gdb_command.c (what a debugger asks). */

#define GDB_CPUS_MAX 64

/* Why a vCPU left its guest. */
struct gdb_stop {
	struct vcpu_debug debug;
	int stepping;		   /* it had been told to step */
	struct gdb_break_hard hit; /* of the debug registers at that time; len 0: none */
};

struct gdb {
	struct gdb_site site;
	int listen_fd, fd, event_fd;
	struct loop_source *listen_source, *source, *event_source;
	struct gdb_packet packet;
	struct buf out;	 /* waits to go */
	struct buf last; /* the last packet, in case that it is wanted again */
	struct buf why;	 /* the last stop's packet, which ? asks for */
	int no_ack, closing;
	int tells_soft, tells_hard; /* the debugger wants to hear of which kind a breakpoint was */

	int running;	   /* the debugger waits for a stop */
	uint64_t stepping; /* bit n is vCPU n, here and below */
	uint64_t pending;  /* have stopped, and that is not dealt with yet */
	struct gdb_stop stops[GDB_CPUS_MAX];
	unsigned int cpu; /* of registers and addresses */
	int run_cpu;	  /* of c and s; -1: all */
	struct gdb_breaks breaks;
};

static inline int gdb_cpu_fd(const struct gdb *gdb, unsigned int cpu)
{
	return gdb->site.ops->vcpu(gdb->site.ctx, cpu);
}

static inline uint64_t gdb_all_cpus(const struct gdb *gdb)
{
	return UINT64_MAX >> (GDB_CPUS_MAX - gdb->site.cpus);
}

/* Lets vCPUs run, some of them for one instruction; 0 or -errno, and then nothing runs. */
int gdb_run(struct gdb *gdb, uint64_t cpus, uint64_t stepping);
/* What a debugger leaves behind: nothing. The guest runs. */
void gdb_let_go(struct gdb *gdb);

/* One packet's payload: answers it. */
void gdb_command_serve(struct gdb *gdb, const char *data, size_t len);

void gdb_say(struct gdb *gdb, const char *data, size_t len);

#endif
