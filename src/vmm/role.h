/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_ROLE_H
#define VMM_ROLE_H

/*
 * The program brig-vmm: one process per VM on KVM, started by the VM's keeper (vmm/hull.c) and never by a user.
 * Runs one machine to its end; returns its exit status.
 */
int role_main(void);

#endif
