/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_CPU_GDB_H
#define VMM_CPU_GDB_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "vmm/cpu/gdb_regs.h"
#include "vmm/cpu/vcpu.h"
#include "vmm/mem/ram.h"

/*
 * A debugger of the guest: a stub for GDB's remote serial protocol (GDB's manual, "Remote Protocol").
 *
 *   brig run --vm --gdb --name web ...          the keeper listens and hands the VMM the socket
 *   gdb -ex 'target remote /run/brig/web/gdb.sock' vmlinux
 *
 * The guest runs until a debugger comes, which halts it; when it goes (detach, quit, or its end), its
 * breakpoints go with it and the guest runs on. Threads are vCPUs, numbered from 1. It can read and write
 * registers (general, x87, SSE, bases, control) and memory by the guest's virtual addresses as the chosen
 * vCPU has them now, step, run some vCPUs and not others, and stop at software breakpoints (int3), hardware
 * breakpoints and watchpoints (four debug registers in all), at Ctrl-C, and end the machine (kill). What an
 * early kernel does before its page tables are up is met with hardware breakpoints (hbreak). A kernel that
 * loads where it was linked to (nokaslr) needs no offset to its symbols.
 *
 * The debugger's owner owns the guest, and no more than that: all it reaches is the guest's memory and
 * registers.
 *
 * The stub runs in the device thread with the device lock held, but for gdb_stopped(). While its guest runs it
 * costs nothing: vCPUs leave the guest for it only if there are breakpoints.
 */
struct gdb;

/* What it asks of the machine. A debugger's halt and the keeper's pause are apart: a vCPU runs if both let it. */
struct gdb_ops {
	/* No vCPU runs any more, and none will: when this returns they stand still. Also before they start. */
	void (*halt)(void *ctx);
	/* These, bit n for vCPU n, may run as well; does not wait. */
	void (*resume)(void *ctx, uint64_t cpus);
	/* Ends the machine, soon. */
	void (*kill)(void *ctx);
	/* KVM's descriptor of a vCPU, which stays the machine's. */
	int (*vcpu)(void *ctx, unsigned int cpu);
};

/* How a vCPU that stands still is reached: gdb_kvm_ops, or a test's. */
struct gdb_cpu_ops {
	int (*read)(int fd, struct gdb_regs *regs);
	/* parts: GDB_REGS_* */
	int (*write)(int fd, const struct gdb_regs *regs, int parts);
	/* -EFAULT: nothing is mapped there. */
	int (*translate)(int fd, uint64_t gva, uint64_t *gpa);
	/* As KVM_SET_GUEST_DEBUG; dr6 goes with an injected #DB. */
	int (*debug)(int fd, const struct kvm_guest_debug *debug, uint64_t dr6);
};

struct gdb_site {
	struct loop *loop;
	struct ram *ram;
	unsigned int cpus; /* at most 64 */
	const struct gdb_cpu_ops *cpu_ops;
	const struct gdb_ops *ops;
	void *ctx;
};

/*
 * fd becomes the stub's, also on failure: a stream socket that listens, and serves one debugger at a time, or
 * one that is connected, whose debugger then has the machine halted from the start.
 */
int gdb_new(const struct gdb_site *site, int fd, struct gdb **ret, struct err *err);
/* After the vCPUs' end: a debugger that waits hears that its program has exited. Returns NULL. */
struct gdb *gdb_free(struct gdb *gdb);

/*
 * A vCPU has stopped with VCPU_STOP_DEBUG and will not run before ops->resume() names it. From any thread,
 * with the device lock held; the rest happens in the device thread.
 */
void gdb_stopped(struct gdb *gdb, unsigned int cpu, const struct vcpu_debug *debug);

/* Takes bytes of a debugger as if they had been received; for tests. */
void gdb_feed(struct gdb *gdb, const char *data, size_t len);

#endif
