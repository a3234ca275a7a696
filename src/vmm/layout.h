/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_LAYOUT_H
#define VMM_LAYOUT_H

/*
 * Where things are in the machine: guest-physical addresses, I/O ports, interrupts. docs/machine.md draws
 * it. What a guest may find only here is told to it by the ACPI tables.
 *
 *   0            RAM; below LAYOUT_EBDA: what the kernel is started with
 *   LAYOUT_EBDA  reserved: ACPI tables, SMBIOS
 *   1 MiB        RAM, up to LAYOUT_LOW_END
 *   LAYOUT_PCI   BARs of PCI devices; ECAM; devices with fixed addresses; APICs
 *   4 GiB        RAM
 */

/* Entry structures: chosen by us, in RAM that the kernel reserves or gives up by itself. */
#define LAYOUT_GDT	   0x500ULL
#define LAYOUT_PVH_START   0x6000ULL /* hvm_start_info, its module list and memory map */
#define LAYOUT_PVH_MODULES 0x6040ULL
#define LAYOUT_PVH_MEMMAP  0x6100ULL
#define LAYOUT_ZERO_PAGE   0x7000ULL
#define LAYOUT_STACK	   0x8ff0ULL
#define LAYOUT_PAGE_TABLES \
	0x9000ULL /* PML4, PDPT, one page directory for each of the first 4 GiB */
#define LAYOUT_SETUP_DATA  0x10000ULL
#define LAYOUT_CMDLINE	   0x20000ULL
#define LAYOUT_CMDLINE_MAX 0x10000ULL

#define LAYOUT_EBDA	   0x9fc00ULL
#define LAYOUT_ACPI	   0xe0000ULL /* the RSDP, found by scanning; the tables follow it */
#define LAYOUT_ACPI_SIZE   0x10000ULL
#define LAYOUT_SMBIOS	   0xf0000ULL /* the entry point, found by scanning */
#define LAYOUT_SMBIOS_SIZE 0x10000ULL
#define LAYOUT_FIRMWARE	   0xffff0ULL /* ffff:0, where a guest in real mode goes for a reset */
#define LAYOUT_HIGH_MEMORY 0x100000ULL

#define LAYOUT_LOW_END	   0xc0000000ULL /* RAM below 4 GiB ends here at the latest */
#define LAYOUT_PCI	   0xc0000000ULL /* 512 MiB for BARs */
#define LAYOUT_PCI_SIZE	   0x20000000ULL
#define LAYOUT_ECAM	   0xe8000000ULL /* bus 0 alone: 32 slots of 8 functions of 4 KiB */
#define LAYOUT_ECAM_SIZE   0x100000ULL
#define LAYOUT_IOAPIC	   0xfec00000ULL
#define LAYOUT_IOAPIC_SIZE 0x1000ULL
#define LAYOUT_LAPIC	   0xfee00000ULL
/* Pages that KVM uses on Intel CPUs: KVM_SET_IDENTITY_MAP_ADDR, KVM_SET_TSS_ADDR (three pages). */
#define LAYOUT_IDENTITY_MAP 0xfffbc000ULL
#define LAYOUT_TSS	    0xfffbd000ULL
#define LAYOUT_HIGH_START   0x100000000ULL

/* Ports. The first three are a PC's. */
#define LAYOUT_PORT_I8042    0x60 /* to 0x64: only the reset line */
#define LAYOUT_PORT_RTC	     0x70
#define LAYOUT_PORT_COM1     0x3f8
#define LAYOUT_PORT_PVPANIC  0x505 /* QEMU's docs/specs/pvpanic.rst */
#define LAYOUT_PORT_ACPI     0x600 /* reset and sleep registers: see acpi/power.h */
#define LAYOUT_PORT_ACPI_LEN 0x10
#define LAYOUT_PORT_PCI	     0xcf8 /* the old window to configuration space */

/* Pins of the I/O APIC, and so GSIs: no more than are used, since a guest goes through all as it starts. */
#define LAYOUT_PINS	6
#define LAYOUT_IRQ_COM1 4
#define LAYOUT_IRQ_GED	5
/* Message-signalled interrupts have GSIs from here on. */
#define LAYOUT_GSI_MSI LAYOUT_PINS

#endif
