/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_ROLE_H
#define VMM_ROLE_H

#include "proto/driver.h"
#include "vmm/hull.h"

/*
 * The role HULL_ROLE: one process per VM on KVM, started by the VM's keeper (vmm/hull.c) and never by a user.
 * Runs one machine to its end.
 */
int role_main(int argc, char **argv, const struct driver_ops *const *drivers);

#endif
