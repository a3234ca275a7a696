// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/acpi/acpi.h"
#include "base/buf.h"
#include "vmm/acpi/dsdt.h"
#include "vmm/acpi/power.h"
#include "vmm/layout.h"

#include <endian.h>
#include <string.h>

#define ACPI_ALIGN 16

#define ACPI_OEM      "BRIG  "
#define ACPI_OEM_ID   "BRIGVM  "
#define ACPI_CREATOR  "BRIG"
#define ACPI_REVISION 1

#define ACPI_RSDP_SIZE	36
#define ACPI_RSDP_FIRST 20 /* what its first checksum is of */
#define ACPI_HEADER	36
#define ACPI_CHECKSUM	9 /* where it is in a table's header */

/* Fields of the FADT by their offsets: ACPI 6.5, table 5.9. */
enum acpi_fadt {
	ACPI_FADT_BOOT_FLAGS = 109, /* u16 */
	ACPI_FADT_FLAGS = 112,	    /* u32 */
	ACPI_FADT_RESET = 116,	    /* address */
	ACPI_FADT_RESET_VALUE = 128,
	ACPI_FADT_MINOR = 131,
	ACPI_FADT_X_DSDT = 140,	       /* u64 */
	ACPI_FADT_SLEEP_CONTROL = 244, /* address */
	ACPI_FADT_SLEEP_STATUS = 256,  /* address */
	ACPI_FADT_HYPERVISOR = 268,    /* 8 characters */
	ACPI_FADT_SIZE = 276,
};

enum acpi_fadt_flag {
	ACPI_FLAG_WBINVD = 1 << 0,
	ACPI_FLAG_POWER_BUTTON = 1 << 4, /* it is a device in the DSDT */
	ACPI_FLAG_SLEEP_BUTTON = 1 << 5, /* so it would be, but there is none */
	ACPI_FLAG_RESET = 1 << 10,
	ACPI_FLAG_HARDWARE_REDUCED = 1 << 20,
};

/* What is left out here is what there is not: other legacy devices, a keyboard controller. */
enum acpi_boot_flag {
	ACPI_BOOT_NO_VGA = 1 << 2,
	ACPI_BOOT_NO_ASPM = 1 << 4,
	ACPI_BOOT_NO_CMOS_RTC = 1 << 5,
};

/* MADT: table 5.19 and on. */
enum acpi_madt { ACPI_MADT_LAPIC = 0, ACPI_MADT_IOAPIC = 1, ACPI_MADT_X2APIC = 9 };

#define ACPI_MADT_ENABLED    1
#define ACPI_MADT_XAPIC_CPUS 255 /* what its 8 bits can name */

static void acpi_number(struct buf *out, uint64_t value, size_t len)
{
	value = htole64(value);
	buf_add(out, &value, len);
}

static void acpi_zeroes(struct buf *out, size_t len)
{
	static const char zeroes[64];

	for (; len > sizeof(zeroes); len -= sizeof(zeroes))
		buf_add(out, zeroes, sizeof(zeroes));
	buf_add(out, zeroes, len);
}

static void acpi_put(struct buf *out, size_t at, uint64_t value, size_t len)
{
	value = htole64(value);
	memcpy(out->data + at, &value, len);
}

/* What makes len bytes sum up to zero. */
static void acpi_sum(struct buf *out, size_t start, size_t len, size_t checksum)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + (uint8_t)out->data[start + i]);
	out->data[checksum] = (char)-sum;
}

/* Starts a table; returns where, from the RSDP on. */
static size_t acpi_begin(struct buf *out, const char *signature, uint8_t revision)
{
	size_t start;

	acpi_zeroes(out, -out->len % ACPI_ALIGN);
	start = out->len;
	buf_add(out, signature, 4);
	acpi_number(out, 0, 4); /* length */
	acpi_number(out, revision, 1);
	acpi_number(out, 0, 1); /* checksum */
	buf_add(out, ACPI_OEM, 6);
	buf_add(out, ACPI_OEM_ID, 8);
	acpi_number(out, ACPI_REVISION, 4);
	buf_add(out, ACPI_CREATOR, 4);
	acpi_number(out, ACPI_REVISION, 4);
	return start;
}

static uint64_t acpi_finish(struct buf *out, size_t start)
{
	acpi_put(out, start + 4, out->len - start, 4);
	acpi_sum(out, start, out->len - start, start + ACPI_CHECKSUM);
	return LAYOUT_ACPI + start;
}

static uint64_t acpi_write_dsdt(struct buf *out)
{
	size_t start = acpi_begin(out, "DSDT", 2); /* from 2 on integers have 64 bits */

	/* its own buffer, since what is in it has lengths that are counted afterwards */
	_cleanup_buf_ struct buf aml = BUF_INIT;

	dsdt_write(&aml);
	buf_add(out, aml.data, aml.len);
	return acpi_finish(out, start);
}

/* A generic address structure for one byte of I/O space: 5.2.3.2. */
static void acpi_put_port(struct buf *out, size_t at, uint16_t port)
{
	acpi_put(out, at, 1, 1);
	acpi_put(out, at + 1, 8, 1);
	acpi_put(out, at + 3, 1, 1);
	acpi_put(out, at + 4, port, 8);
}

static uint64_t acpi_write_fadt(struct buf *out, uint64_t dsdt)
{
	size_t start = acpi_begin(out, "FACP", 6);

	acpi_zeroes(out, ACPI_FADT_SIZE - ACPI_HEADER);
	acpi_put(out, start + ACPI_FADT_BOOT_FLAGS,
		 ACPI_BOOT_NO_VGA | ACPI_BOOT_NO_ASPM | ACPI_BOOT_NO_CMOS_RTC, 2);
	acpi_put(out, start + ACPI_FADT_FLAGS,
		 ACPI_FLAG_WBINVD | ACPI_FLAG_POWER_BUTTON | ACPI_FLAG_SLEEP_BUTTON |
			 ACPI_FLAG_RESET | ACPI_FLAG_HARDWARE_REDUCED,
		 4);
	acpi_put_port(out, start + ACPI_FADT_RESET, POWER_RESET);
	acpi_put(out, start + ACPI_FADT_RESET_VALUE, POWER_RESET_VALUE, 1);
	acpi_put(out, start + ACPI_FADT_MINOR, 5, 1);
	acpi_put(out, start + ACPI_FADT_X_DSDT, dsdt, 8);
	acpi_put_port(out, start + ACPI_FADT_SLEEP_CONTROL, POWER_SLEEP_CONTROL);
	acpi_put_port(out, start + ACPI_FADT_SLEEP_STATUS, POWER_SLEEP_STATUS);
	memcpy(out->data + start + ACPI_FADT_HYPERVISOR, "brig", 4);
	return acpi_finish(out, start);
}

/* The ids are the ACPI processor's and the APIC's alike. */
static void acpi_add_cpu(struct buf *out, uint32_t id)
{
	if (id < ACPI_MADT_XAPIC_CPUS) {
		acpi_number(out, ACPI_MADT_LAPIC, 1);
		acpi_number(out, 8, 1);
		acpi_number(out, id, 1);
		acpi_number(out, id, 1);
		acpi_number(out, ACPI_MADT_ENABLED, 4);
		return;
	}
	acpi_number(out, ACPI_MADT_X2APIC, 1);
	acpi_number(out, 16, 1);
	acpi_number(out, 0, 2);
	acpi_number(out, id, 4);
	acpi_number(out, ACPI_MADT_ENABLED, 4);
	acpi_number(out, id, 4);
}

/* No PCAT_COMPAT flag, as there is no 8259, and so no ISA interrupts that would need an override. */
static uint64_t acpi_write_madt(struct buf *out, const struct acpi_machine *machine)
{
	size_t start = acpi_begin(out, "APIC", 6);

	acpi_number(out, LAYOUT_LAPIC, 4);
	acpi_number(out, 0, 4);
	for (uint32_t i = 0; i < machine->cpus; i++)
		acpi_add_cpu(out, i);
	acpi_number(out, ACPI_MADT_IOAPIC, 1);
	acpi_number(out, 12, 1);
	acpi_number(out, 0, 2); /* its id */
	acpi_number(out, LAYOUT_IOAPIC, 4);
	acpi_number(out, 0, 4); /* its first GSI */
	return acpi_finish(out, start);
}

/* PCI Firmware Specification 3.3, 4.1.2: one segment group, one bus. */
static uint64_t acpi_write_mcfg(struct buf *out)
{
	size_t start = acpi_begin(out, "MCFG", 1);

	acpi_zeroes(out, 8);
	acpi_number(out, LAYOUT_ECAM, 8);
	acpi_zeroes(out, 8);
	return acpi_finish(out, start);
}

static uint64_t acpi_write_xsdt(struct buf *out, const uint64_t *tables, size_t n)
{
	size_t start = acpi_begin(out, "XSDT", 1);

	for (size_t i = 0; i < n; i++)
		acpi_number(out, tables[i], 8);
	return acpi_finish(out, start);
}

/* Its place is first, where it is looked for; it is filled in last. */
static void acpi_put_rsdp(struct buf *out, uint64_t xsdt)
{
	memcpy(out->data, "RSD PTR ", 8);
	memcpy(out->data + 9, ACPI_OEM, 6);
	acpi_put(out, 15, 2, 1); /* revision */
	acpi_put(out, 20, ACPI_RSDP_SIZE, 4);
	acpi_put(out, 24, xsdt, 8);
	acpi_sum(out, 0, ACPI_RSDP_FIRST, 8);
	acpi_sum(out, 0, ACPI_RSDP_SIZE, 32);
}

int acpi_write(struct ram *ram, const struct acpi_machine *machine, uint64_t *ret_rsdp,
	       struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	uint64_t dsdt, tables[3];
	int r;

	if (!machine->cpus || machine->cpus > ACPI_CPUS_MAX)
		return err_set(err, -EINVAL, "a machine has 1 to %d CPUs", ACPI_CPUS_MAX);
	acpi_zeroes(&out, ACPI_RSDP_SIZE);
	dsdt = acpi_write_dsdt(&out);
	tables[0] = acpi_write_fadt(&out, dsdt);
	tables[1] = acpi_write_madt(&out, machine);
	tables[2] = acpi_write_mcfg(&out);
	acpi_put_rsdp(&out, acpi_write_xsdt(&out, tables, ARRAY_SIZE(tables)));
	r = out.len > LAYOUT_ACPI_SIZE ? -E2BIG : ram_write(ram, LAYOUT_ACPI, out.data, out.len);
	if (r < 0)
		return err_errno(err, r, "cannot write the ACPI tables");
	*ret_rsdp = LAYOUT_ACPI;
	return 0;
}
