/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BOOT_SMBIOS_H
#define VMM_BOOT_SMBIOS_H

#include "base/err.h"
#include "vmm/mem/ram.h"

/*
 * Which machine this is, for who looks there (dmidecode, systemd, cloud-init): SMBIOS 3.3 (DSP0134), a 64-bit
 * entry point and structures of the types 0, 1, 32 and 127.
 */

#define SMBIOS_SERIAL_MAX 255

struct smbios_machine {
	const char *uuid;   /* 8-4-4-4-12 hexadecimal digits */
	const char *serial; /* printable ASCII, at most SMBIOS_SERIAL_MAX; "" for none */
};

/* Writes them to LAYOUT_SMBIOS. -EINVAL with err set for a uuid or serial that is none. */
int smbios_write(struct ram *ram, const struct smbios_machine *machine, struct err *err);

#endif
