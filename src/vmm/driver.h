/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_DRIVER_H
#define VMM_DRIVER_H

#include "proto/driver.h"

/* VMs on KVM, by a VMM of our own. */
extern const struct driver_ops kvm_driver;

#endif
