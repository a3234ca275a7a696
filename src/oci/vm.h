/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_VM_H
#define OCI_VM_H

#include "container/launch.h"
#include "oci/store.h"
#include "oci/verb.h"
#include "proto/process.h"

/*
 * Machines in the place of containers, as brig-oci's verbs see them: the first process is brig in a role (oci/vm_role.h),
 * which says to launch_wait(), launch_start() and launch_detach(), and at the gate, what a container's does.
 */

/* Starts the holder, as launch_run() a container: in its group, dying with us. gate: or negative. */
int vm_launch(const struct oci_context *oci, const struct spec *spec,
	      const struct store_container *store, int gate, struct launch *ret, struct err *err);

/*
 * Starts a process in the machine, which a child of ours stands for: signals to it go to the process, and it ends as that
 * does. *ret_terminal: the master, with process->tty; the caller closes it. detached: it outlives us.
 */
int vm_exec(const struct store_container *store, const struct process *process, int detached,
	    pid_t *ret_pid, int *ret_terminal, struct err *err);

#endif
