// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/regs.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

/* AMD64 manual, volume 2, chapters 3 to 5. */
#define REGS_CR0_PE   (1ULL << 0)
#define REGS_CR0_ET   (1ULL << 4)
#define REGS_CR0_PG   (1ULL << 31)
#define REGS_CR4_PAE  (1ULL << 5)
#define REGS_EFER_LME (1ULL << 8)
#define REGS_EFER_LMA (1ULL << 10)
#define REGS_FLAGS    2ULL /* the bit that is always set */

#define REGS_FCW   0x37f  /* as FNINIT leaves it */
#define REGS_MXCSR 0x1f80 /* all exceptions masked */

/* Local APIC registers: offset, and the delivery modes that a PC's firmware sets LINT0 and LINT1 to. */
#define REGS_APIC_LVT0	   0x350
#define REGS_APIC_LVT1	   0x360
#define REGS_APIC_EXTINT   0x700U
#define REGS_APIC_NMI	   0x400U
#define REGS_APIC_DELIVERY 0x700U

/* MSRs that do not begin as a guest wants them: Intel SDM volume 4. */
static const struct kvm_msr_entry regs_msrs[] = {
	{ .index = 0x1a0, .data = 1 },	   /* IA32_MISC_ENABLE: fast strings */
	{ .index = 0x2ff, .data = 0x806 }, /* IA32_MTRR_DEF_TYPE: on, memory is write-back */
};

static int regs_init_msrs(int vcpu, struct err *err)
{
	char space[sizeof(struct kvm_msrs) + sizeof(regs_msrs)]
		__attribute__((aligned(__alignof__(struct kvm_msrs)))) = { 0 };
	struct kvm_msrs *msrs = (struct kvm_msrs *)space;

	for (size_t i = 0; i < ARRAY_SIZE(regs_msrs); i++)
		msrs->entries[i] = regs_msrs[i];
	msrs->nmsrs = ARRAY_SIZE(regs_msrs);
	if (ioctl(vcpu, KVM_SET_MSRS, msrs) != (int)ARRAY_SIZE(regs_msrs))
		return err_set(err, -EIO, "KVM refuses a model-specific register");
	return 0;
}

static int regs_init_fpu(int vcpu, struct err *err)
{
	struct kvm_fpu fpu = { .fcw = REGS_FCW, .mxcsr = REGS_MXCSR };

	if (ioctl(vcpu, KVM_SET_FPU, &fpu) < 0)
		return err_errno(err, -errno, "KVM refuses the floating point registers");
	return 0;
}

static void regs_set_lvt(struct kvm_lapic_state *apic, size_t offset, uint32_t mode)
{
	uint32_t value;

	memcpy(&value, apic->regs + offset, sizeof(value));
	value = (value & ~REGS_APIC_DELIVERY) | mode;
	memcpy(apic->regs + offset, &value, sizeof(value));
}

static int regs_init_apic(int vcpu, struct err *err)
{
	struct kvm_lapic_state apic;

	if (ioctl(vcpu, KVM_GET_LAPIC, &apic) < 0)
		return err_errno(err, -errno, "KVM does not show a local APIC");
	regs_set_lvt(&apic, REGS_APIC_LVT0, REGS_APIC_EXTINT);
	regs_set_lvt(&apic, REGS_APIC_LVT1, REGS_APIC_NMI);
	if (ioctl(vcpu, KVM_SET_LAPIC, &apic) < 0)
		return err_errno(err, -errno, "KVM refuses a local APIC");
	return 0;
}

int regs_init(int vcpu, struct err *err)
{
	int r = regs_init_msrs(vcpu, err);

	if (r == 0)
		r = regs_init_fpu(vcpu, err);
	return r < 0 ? r : regs_init_apic(vcpu, err);
}

static struct kvm_segment regs_segment(uint16_t selector, uint8_t type, int is_long)
{
	return (struct kvm_segment){
		.limit = UINT32_MAX,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.l = !!is_long,
		.db = !is_long,
		.g = 1,
	};
}

static void regs_fill(const struct regs_start *start, struct kvm_sregs *sregs)
{
	int is_long = start->mode == REGS_LONG;
	struct kvm_segment data = regs_segment(start->data, 3, 0);

	sregs->cs = regs_segment(start->code, 11, is_long);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	/* a busy 32-bit or 64-bit task state segment; nothing is loaded from it */
	sregs->tr = (struct kvm_segment){
		.limit = 0x67, .selector = start->task, .type = 11, .present = 1
	};
	sregs->gdt = (struct kvm_dtable){ .base = start->gdt, .limit = start->gdt_limit };
	sregs->idt = (struct kvm_dtable){ 0 };
	sregs->cr0 = REGS_CR0_PE | REGS_CR0_ET;
	sregs->cr4 = 0;
	sregs->efer = 0;
	if (is_long) {
		sregs->cr0 |= REGS_CR0_PG;
		sregs->cr3 = start->cr3;
		sregs->cr4 = REGS_CR4_PAE;
		sregs->efer = REGS_EFER_LME | REGS_EFER_LMA;
	}
}

int regs_set_start(int vcpu, const struct regs_start *start, struct err *err)
{
	struct kvm_regs regs = { .rflags = REGS_FLAGS,
				 .rip = start->ip,
				 .rsp = start->sp,
				 .rbp = start->sp,
				 .rsi = start->si,
				 .rbx = start->bx };
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return err_errno(err, -errno, "KVM does not show a CPU's registers");
	regs_fill(start, &sregs);
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return err_errno(err, -errno, "KVM refuses a CPU's registers");
	return 0;
}
