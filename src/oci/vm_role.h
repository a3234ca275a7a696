/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_VM_ROLE_H
#define OCI_VM_ROLE_H

#include "proto/driver.h"

/*
 * The role that holds the machine of a bundle, for brig-oci, whose child it is: the first process of what engines take
 * for a container. It says the same as that of a container does (container/inner.h), and ends with the machine, as
 * the workload did.
 *
 *   brig oci-vm ID BUNDLE ROOT LOG|"" json|text
 *
 * ID, BUNDLE: as of `create`. ROOT: where brig keeps its kernels. LOG: where errors go. Descriptors:
 */
#define VM_ROLE "oci-vm"
enum {
	VM_ROLE_SOCK = 3, /* inner.h's */
	VM_ROLE_STORE,	  /* the container's folder */
	VM_ROLE_EXEC,	  /* the listening socket there */
	VM_ROLE_GATE,	  /* gate.h's; may be missing */
	VM_ROLE_FDS,
};
#define VM_ROLE_EXEC_SOCKET "exec.sock"

int vm_role_main(int argc, char **argv, const struct driver_ops *const *drivers);

#endif
