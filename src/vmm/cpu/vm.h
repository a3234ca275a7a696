/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_CPU_VM_H
#define VMM_CPU_VM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/bus/hv.h"
#include "vmm/mem/ram.h"

/*
 * The VM as KVM has it (Documentation/virt/kvm/api.rst): its memory slots, its interrupt routes. Local
 * APICs are KVM's, the I/O APIC is ours (KVM_CAP_SPLIT_IRQCHIP): dev/ioapic.h.
 */
struct vm;

#define VM_CPUS_MAX 64
/* Routes that KVM takes at most: KVM_MAX_IRQ_ROUTES. */
#define VM_GSI_MAX 4096

/* Memory of ours that the guest reads by itself; its writes come out as accesses of a vCPU. Page by page. */
struct vm_window {
	uint64_t gpa;
	const void *host;
	size_t size;
};

/*
 * kvm: /dev/kvm, which stays the caller's. Memory slots come first: any interrupt chip or ioeventfd
 * before them makes KVM wait for a grace period of some 8 ms.
 */
int vm_new(int kvm, const struct ram *ram, const struct vm_window *window, struct vm **ret,
	   struct err *err);
/* After its vCPUs: nothing is asked of KVM from then on, what vm_hv() is told is told to nobody. */
void vm_close(struct vm *vm);
/* After its vCPUs. Returns NULL. */
struct vm *vm_free(struct vm *vm);

int vm_fd(const struct vm *vm);	 /* stays the VM's */
int vm_kvm(const struct vm *vm); /* as given */

/* Its interrupts and doorbells, for buses and devices. */
struct hv vm_hv(struct vm *vm);

#endif
