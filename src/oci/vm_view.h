/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_VM_VIEW_H
#define OCI_VM_VIEW_H

#include "oci/vm_plan.h"

/*
 * What a machine is shown of the host's files, put together in a mount namespace of the caller's own, which is made: the
 * root at VM_VIEW_ROOT, the shares below VM_VIEW_SHARES, an empty folder at VM_VIEW_STATE. All of it goes with the
 * namespace. No device node in it can be opened, no folder of the host's is made but VM_VIEW.
 */
#define VM_VIEW_STATE VM_VIEW "/state"

int vm_view_make(const struct vm_plan *plan, const char *root_path, struct err *err);

#endif
