/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_CPU_REGS_H
#define VMM_CPU_REGS_H

#include <stdint.h>

#include "base/err.h"

/*
 * The state that vCPUs begin in. The first one starts at the kernel's entry; the others wait for its
 * INIT and SIPI in KVM's local APICs, as a processor does after a reset.
 */
enum regs_mode {
	REGS_LONG, /* 64-bit, paging on: Linux's Documentation/arch/x86/boot.rst, 64-bit protocol */
	REGS_PROTECTED, /* 32-bit, paging off: PVH, Xen's docs/misc/pvh.pandoc */
};

struct regs_start {
	enum regs_mode mode;
	uint64_t ip, sp;
	uint64_t si; /* RSI: the zero page */
	uint64_t bx; /* EBX: PVH's start info */
	uint64_t cr3;
	uint64_t gdt;
	uint16_t gdt_limit, code, data,
		task; /* selectors of flat segments and a task state segment */
};

/* What every vCPU has: MSRs, floating point, its local APIC's pins. CPUID was set before. */
int regs_init(int vcpu, struct err *err);
int regs_set_start(int vcpu, const struct regs_start *start, struct err *err);

#endif
