// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/gdb_kvm.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/ioctl.h>

#define GDB_KVM_MSR_KERNEL_GS 0xc0000102

/* One MSR; KVM says how many it has dealt with. */
static int gdb_kvm_msr(int fd, unsigned long request, uint64_t *value)
{
	alignas(struct kvm_msrs) char
		space[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)] = { 0 };
	struct kvm_msrs *msrs = (struct kvm_msrs *)space;

	msrs->nmsrs = 1;
	msrs->entries[0].index = GDB_KVM_MSR_KERNEL_GS;
	msrs->entries[0].data = *value;
	if (ioctl(fd, request, msrs) != 1)
		return -EIO;
	*value = msrs->entries[0].data;
	return 0;
}

/* The first part of the XSAVE area, as FXSAVE writes it in 64-bit mode: Intel SDM volume 1, 13.4.1. */
struct gdb_kvm_fxsave {
	uint16_t fcw, fsw;
	uint8_t ftw, reserved;
	uint16_t opcode;
	uint64_t ip, dp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16], xmm[16][16];
};

#define GDB_KVM_XSAVE_USED 512	/* XSTATE_BV: which parts are not as they are at first */
#define GDB_KVM_XSAVE_BOTH 3ULL /* x87 and SSE */

/* KVM_GET_FPU and KVM_SET_FPU leave out MXCSR. */
static int gdb_kvm_read_fpu(int fd, struct kvm_fpu *fpu)
{
	struct gdb_kvm_fxsave fxsave;
	struct kvm_xsave xsave;

	if (ioctl(fd, KVM_GET_XSAVE, &xsave) < 0)
		return -errno;
	memcpy(&fxsave, xsave.region, sizeof(fxsave));
	*fpu = (struct kvm_fpu){ .fcw = fxsave.fcw,
				 .fsw = fxsave.fsw,
				 .ftwx = fxsave.ftw,
				 .last_opcode = fxsave.opcode,
				 .last_ip = fxsave.ip,
				 .last_dp = fxsave.dp,
				 .mxcsr = fxsave.mxcsr };
	memcpy(fpu->fpr, fxsave.st, sizeof(fpu->fpr));
	memcpy(fpu->xmm, fxsave.xmm, sizeof(fpu->xmm));
	return 0;
}

/* No process of ours has asked for state that would not fit in struct kvm_xsave (AMX). */
static int gdb_kvm_write_fpu(int fd, const struct kvm_fpu *fpu)
{
	struct gdb_kvm_fxsave fxsave;
	struct kvm_xsave xsave;
	uint64_t used;

	if (ioctl(fd, KVM_GET_XSAVE, &xsave) < 0)
		return -errno;
	memcpy(&fxsave, xsave.region, sizeof(fxsave));
	fxsave.fcw = fpu->fcw;
	fxsave.fsw = fpu->fsw;
	fxsave.ftw = fpu->ftwx;
	fxsave.opcode = fpu->last_opcode;
	fxsave.ip = fpu->last_ip;
	fxsave.dp = fpu->last_dp;
	fxsave.mxcsr = fpu->mxcsr;
	memcpy(fxsave.st, fpu->fpr, sizeof(fxsave.st));
	memcpy(fxsave.xmm, fpu->xmm, sizeof(fxsave.xmm));
	memcpy(xsave.region, &fxsave, sizeof(fxsave));
	memcpy(&used, (char *)xsave.region + GDB_KVM_XSAVE_USED, sizeof(used));
	used |= GDB_KVM_XSAVE_BOTH;
	memcpy((char *)xsave.region + GDB_KVM_XSAVE_USED, &used, sizeof(used));
	return ioctl(fd, KVM_SET_XSAVE, &xsave) < 0 ? -errno : 0;
}

static int gdb_kvm_read(int fd, struct gdb_regs *regs)
{
	int r;

	if (ioctl(fd, KVM_GET_REGS, &regs->regs) < 0 || ioctl(fd, KVM_GET_SREGS, &regs->sregs) < 0)
		return -errno;
	r = gdb_kvm_read_fpu(fd, &regs->fpu);
	return r < 0 ? r : gdb_kvm_msr(fd, KVM_GET_MSRS, &regs->kernel_gs);
}

/* Only what has changed: setting the general registers alone drops an exception that is on its way. */
static int gdb_kvm_write(int fd, const struct gdb_regs *regs, int parts)
{
	uint64_t kernel_gs = regs->kernel_gs;
	int r = 0;

	if (parts & GDB_REGS_SYSTEM && ioctl(fd, KVM_SET_SREGS, &regs->sregs) < 0)
		return -errno;
	if (parts & GDB_REGS_GENERAL && ioctl(fd, KVM_SET_REGS, &regs->regs) < 0)
		return -errno;
	if (parts & GDB_REGS_FPU)
		r = gdb_kvm_write_fpu(fd, &regs->fpu);
	return r == 0 && parts & GDB_REGS_MSR ? gdb_kvm_msr(fd, KVM_SET_MSRS, &kernel_gs) : r;
}

static int gdb_kvm_translate(int fd, uint64_t gva, uint64_t *gpa)
{
	struct kvm_translation translation = { .linear_address = gva };

	if (ioctl(fd, KVM_TRANSLATE, &translation) < 0)
		return -errno;
	if (!translation.valid)
		return -EFAULT;
	*gpa = translation.physical_address;
	return 0;
}

/* KVM injects #DB without what DR6 says of it. */
static int gdb_kvm_set_dr6(int fd, uint64_t dr6)
{
	struct kvm_debugregs debugregs;

	if (ioctl(fd, KVM_GET_DEBUGREGS, &debugregs) < 0)
		return -errno;
	debugregs.dr6 = dr6;
	return ioctl(fd, KVM_SET_DEBUGREGS, &debugregs) < 0 ? -errno : 0;
}

static int gdb_kvm_debug(int fd, const struct kvm_guest_debug *debug, uint64_t dr6)
{
	if (debug->control & KVM_GUESTDBG_INJECT_DB && gdb_kvm_set_dr6(fd, dr6) < 0)
		return -errno;
	return ioctl(fd, KVM_SET_GUEST_DEBUG, debug) < 0 ? -errno : 0;
}

const struct gdb_cpu_ops gdb_kvm_ops = {
	.read = gdb_kvm_read,
	.write = gdb_kvm_write,
	.translate = gdb_kvm_translate,
	.debug = gdb_kvm_debug,
};
