// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/gdb_kvm.h"

#include <errno.h>
#include <stdalign.h>
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

static int gdb_kvm_read(int fd, struct gdb_regs *regs)
{
	if (ioctl(fd, KVM_GET_REGS, &regs->regs) < 0 ||
	    ioctl(fd, KVM_GET_SREGS, &regs->sregs) < 0 || ioctl(fd, KVM_GET_FPU, &regs->fpu) < 0)
		return -errno;
	return gdb_kvm_msr(fd, KVM_GET_MSRS, &regs->kernel_gs);
}

/* Only what has changed: setting the general registers alone drops an exception that is on its way. */
static int gdb_kvm_write(int fd, const struct gdb_regs *regs, int parts)
{
	uint64_t kernel_gs = regs->kernel_gs;

	if (parts & GDB_REGS_SYSTEM && ioctl(fd, KVM_SET_SREGS, &regs->sregs) < 0)
		return -errno;
	if (parts & GDB_REGS_GENERAL && ioctl(fd, KVM_SET_REGS, &regs->regs) < 0)
		return -errno;
	if (parts & GDB_REGS_FPU && ioctl(fd, KVM_SET_FPU, &regs->fpu) < 0)
		return -errno;
	return parts & GDB_REGS_MSR ? gdb_kvm_msr(fd, KVM_SET_MSRS, &kernel_gs) : 0;
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
