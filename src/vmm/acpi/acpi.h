/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_ACPI_ACPI_H
#define VMM_ACPI_ACPI_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/mem/ram.h"

/*
 * The ACPI tables of the machine (ACPI 6.5): RSDP, XSDT, FADT, MADT, MCFG and DSDT. A hardware-reduced
 * platform: no PIC, PIT, PM timer or SCI. The FADT says too that there is no keyboard controller, VGA or
 * CMOS clock, so that Linux does not look for them.
 */

/* As many as their MADT entries have room for. */
#define ACPI_CPUS_MAX 1024

struct acpi_machine {
	uint32_t cpus; /* with APIC ids from 0 on */
};

/* Writes the tables to LAYOUT_ACPI; ret_rsdp: where the kernel is to look. */
int acpi_write(struct ram *ram, const struct acpi_machine *machine, uint64_t *ret_rsdp,
	       struct err *err);

#endif
