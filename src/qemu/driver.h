/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef QEMU_DRIVER_H
#define QEMU_DRIVER_H

#include "proto/driver.h"

/* VMs on QEMU: its TCG where KVM cannot run a stock kernel, else KVM (sys/kvm_probe.h decides). */
extern const struct driver_ops qemu_driver;

#endif
