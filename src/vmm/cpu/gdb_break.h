/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_CPU_GDB_BREAK_H
#define VMM_CPU_GDB_BREAK_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/mem/ram.h"

/*
 * Breakpoints and watchpoints of a debugger. Software ones are an int3 in the guest's memory, which
 * debugger's reads and writes do not see; hardware ones and watchpoints are for the four debug registers
 * (Intel SDM volume 3, 18.2). All is in one struct, zero at first.
 */
#define GDB_BREAK_SOFT_MAX 256
#define GDB_BREAK_SLOTS	   4
#define GDB_BREAK_INT3	   0xcc

/* As DR7 has them. */
enum gdb_break_kind { GDB_BREAK_EXECUTE = 0, GDB_BREAK_WRITE = 1, GDB_BREAK_ACCESS = 3 };

struct gdb_break_soft {
	uint64_t gva, gpa;
	uint8_t saved; /* what the int3 stands for */
};

struct gdb_break_hard {
	enum gdb_break_kind kind;
	uint64_t gva, len;
};

struct gdb_breaks {
	struct gdb_break_soft soft[GDB_BREAK_SOFT_MAX];
	size_t n_soft;
	struct gdb_break_hard hard[GDB_BREAK_SLOTS];
	size_t n_hard;
	/* The debug registers: pieces of hard[], each of 1, 2, 4 or 8 bytes and aligned. */
	struct gdb_break_hard slots[GDB_BREAK_SLOTS];
	size_t n_slots;
};

/* gpa is where gva is now. 0, also if it is there already; -EFAULT if that is no memory, -ENOSPC. */
int gdb_break_add_soft(struct gdb_breaks *breaks, struct ram *ram, uint64_t gva, uint64_t gpa);
/* Restores the memory, unless the guest has written something else there. None there is fine. */
void gdb_break_remove_soft(struct gdb_breaks *breaks, struct ram *ram, uint64_t gva);
int gdb_break_has_soft(const struct gdb_breaks *breaks, uint64_t gpa);

/* len: bytes watched; 1 for GDB_BREAK_EXECUTE. -ENOSPC if there are not enough registers. */
int gdb_break_add_hard(struct gdb_breaks *breaks, enum gdb_break_kind kind, uint64_t gva,
		       uint64_t len);
void gdb_break_remove_hard(struct gdb_breaks *breaks, enum gdb_break_kind kind, uint64_t gva,
			   uint64_t len);
/* The piece that DR6 says was hit, or NULL. */
const struct gdb_break_hard *gdb_break_hit(const struct gdb_breaks *breaks, uint64_t dr6);

void gdb_break_clear(struct gdb_breaks *breaks, struct ram *ram);
/* Adds what a vCPU needs for them. */
void gdb_break_arm(const struct gdb_breaks *breaks, struct kvm_guest_debug *debug);

/* Memory as it is without breakpoints: -EFAULT unless all of it is memory. */
int gdb_break_read(const struct gdb_breaks *breaks, const struct ram *ram, uint64_t gpa, void *data,
		   size_t len);
int gdb_break_write(struct gdb_breaks *breaks, struct ram *ram, uint64_t gpa, const void *data,
		    size_t len);

#endif
