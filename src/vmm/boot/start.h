/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BOOT_START_H
#define VMM_BOOT_START_H

#include "base/err.h"
#include "vmm/boot/boot.h"

/* What the CPU needs to start in protected or long mode: descriptors, page tables. Inside boot/. */

/*
 * Writes them to guest memory and fills in everything of the entry but rip and its argument. identity: how
 * many bytes from 0 on have to be mapped as they are (BOOT_LONG), at most 4 GiB.
 */
int start_write(struct ram *ram, enum boot_mode mode, uint64_t identity, struct boot_entry *entry,
		struct err *err);

#endif
