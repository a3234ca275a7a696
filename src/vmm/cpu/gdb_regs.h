/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_CPU_GDB_REGS_H
#define VMM_CPU_GDB_REGS_H

#include <linux/kvm.h>
#include <stdint.h>

#include "base/buf.h"
#include "vmm/cpu/gdb_text.h"

/*
 * A vCPU's registers as a debugger sees them: numbered, in the order of the target description that is
 * sent to it (GDB's manual, "Standard Target Features", "i386 Features"; amd64's are the same with 64
 * bits), little-endian.
 */
struct gdb_regs {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	uint64_t kernel_gs; /* MSR_KERNEL_GS_BASE */
};

/* Parts of it, which KVM sets one by one. */
enum {
	GDB_REGS_GENERAL = 1 << 0,
	GDB_REGS_SYSTEM = 1 << 1,
	GDB_REGS_FPU = 1 << 2,
	GDB_REGS_MSR = 1 << 3
};

size_t gdb_regs_count(void);
/* The description: XML, of the program. */
void gdb_regs_describe(struct buf *xml);

/* As hexadecimal bytes; -EINVAL if there is no such register. */
int gdb_regs_put(const struct gdb_regs *regs, uint64_t number, struct buf *out);
void gdb_regs_put_all(const struct gdb_regs *regs, struct buf *out);

/*
 * From hexadecimal bytes. Returns the parts that have changed, -EINVAL if the text is not of that register,
 * -EPERM if it can only be read (segments' selectors: their hidden parts would not follow).
 */
int gdb_regs_get(struct gdb_regs *regs, uint64_t number, struct gdb_text *text);
/* All of them; those that can only be read are passed over. */
int gdb_regs_get_all(struct gdb_regs *regs, struct gdb_text *text);

#endif
