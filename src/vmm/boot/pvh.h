/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BOOT_PVH_H
#define VMM_BOOT_PVH_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/mem/ram.h"

/* Xen's struct hvm_start_info, version 1: xen/include/public/arch-x86/hvm/start_info.h. */

struct pvh_input {
	uint64_t initrd, initrd_size; /* the one module; size 0: none */
	uint64_t acpi_rsdp;
};

/* Writes it and what it points to, at the addresses of vmm/layout.h; the command line is at LAYOUT_CMDLINE. */
int pvh_write(struct ram *ram, const struct pvh_input *input, struct err *err);

#endif
