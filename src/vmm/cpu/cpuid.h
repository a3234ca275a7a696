/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_CPU_CPUID_H
#define VMM_CPU_CPUID_H

#include <stdint.h>

#include "base/err.h"

/*
 * What the guest's CPUs say of themselves: the host's model as KVM supports it (KVM_GET_SUPPORTED_CPUID),
 * less what a guest has no use for, with a topology of one socket with as many cores as the machine has vCPUs.
 * Leaves: Intel SDM volume 2, CPUID; AMD64 manual volume 3, appendix E.
 */
struct kvm_cpuid2;

/* What a machine wants of it beyond the host's model. */
struct cpuid_machine {
	unsigned int cpus;
	uint32_t tsc_khz; /* of the guest; 0: unknown */
	int tsc_deadline; /* KVM emulates the TSC deadline timer */
};

/* The host's, as one allocation that the caller frees. */
int cpuid_read_host(int kvm, struct kvm_cpuid2 **ret, struct err *err);

/* The same for all vCPUs; then id's own numbers. The list may become longer: *cpuid is reallocated. */
void cpuid_adapt(struct kvm_cpuid2 **cpuid, const struct cpuid_machine *machine);
void cpuid_number(struct kvm_cpuid2 *cpuid, unsigned int id);

#endif
