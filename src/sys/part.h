/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_PART_H
#define SYS_PART_H

#include "base/err.h"

/*
 * Programs of ours that brig starts, and nobody else: beside the running program, where all were built, else in
 * ../libexec/brig from there, or in /usr/libexec/brig. The environment can name another file: of brig-guest in $BRIG_GUEST.
 */
#define PART_GUEST "brig-guest" /* runs inside a VM */
#define PART_VMM   "brig-vmm"	/* runs a VM on KVM */
#define PART_BRIG  "brig"	/* itself: brig-oci has it hold a VM */

/* Its path, the caller's to free; err says what to do where it is nowhere (-ENOENT). */
int part_find(const char *name, char **ret_path, struct err *err);

#endif
