/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_CPU_GDB_KVM_H
#define VMM_CPU_GDB_KVM_H

#include "vmm/cpu/gdb.h"

/* The vCPUs of a machine, which stand still, by their KVM descriptors. */
extern const struct gdb_cpu_ops gdb_kvm_ops;

#endif
