// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/acpi/dsdt.h"
#include "vmm/acpi/aml.h"
#include "vmm/acpi/ged.h"
#include "vmm/acpi/power.h"
#include "vmm/layout.h"

#define DSDT_COM1_PORTS	   8
#define DSDT_NOTIFY_BUTTON 0x80 /* ACPI 6.5, 5.6.6: pressed */

static void dsdt_id(struct buf *aml, const char *eisa_id)
{
	aml_name(aml, "_HID");
	aml_eisa_id(aml, eisa_id);
}

static void dsdt_named_id(struct buf *aml, const char *id)
{
	aml_name(aml, "_HID");
	aml_string(aml, id);
}

static size_t dsdt_settings(struct buf *aml)
{
	aml_name(aml, "_CRS");
	return aml_resources(aml);
}

static void dsdt_pci(struct buf *aml)
{
	size_t device = aml_device(aml, "PCI0"), settings;

	dsdt_id(aml, "PNP0A08");
	aml_name(aml, "_CID");
	aml_eisa_id(aml, "PNP0A03");
	aml_name(aml, "_UID");
	aml_integer(aml, 0);
	settings = dsdt_settings(aml);
	aml_window_bus(aml, 0, 0);
	aml_window_memory(aml, (uint32_t)LAYOUT_PCI, (uint32_t)LAYOUT_PCI_SIZE);
	aml_resources_end(aml, settings);
	aml_end(aml, device);
}

/* Linux takes the ECAM only if it is reserved: PCI Firmware Specification 3.3, 4.1.2. */
static void dsdt_board(struct buf *aml)
{
	size_t device = aml_device(aml, "MBRD"), settings;

	dsdt_id(aml, "PNP0C02");
	settings = dsdt_settings(aml);
	aml_memory(aml, (uint32_t)LAYOUT_ECAM, (uint32_t)LAYOUT_ECAM_SIZE);
	aml_io(aml, LAYOUT_PORT_ACPI, LAYOUT_PORT_ACPI_LEN);
	aml_resources_end(aml, settings);
	aml_end(aml, device);
}

static void dsdt_serial(struct buf *aml)
{
	size_t device = aml_device(aml, "COM1"), settings;

	dsdt_id(aml, "PNP0501");
	aml_name(aml, "_UID");
	aml_integer(aml, 0);
	settings = dsdt_settings(aml);
	aml_io(aml, LAYOUT_PORT_COM1, DSDT_COM1_PORTS);
	aml_interrupt(aml, LAYOUT_IRQ_COM1, 1);
	aml_resources_end(aml, settings);
	aml_end(aml, device);
}

static void dsdt_button(struct buf *aml)
{
	size_t device = aml_device(aml, "PWRB");

	dsdt_id(aml, "PNP0C0C");
	aml_end(aml, device);
}

/* The method has the GSI as its argument, and there is but one. */
static void dsdt_events(struct buf *aml)
{
	size_t device = aml_device(aml, "GED_"), inner;

	dsdt_named_id(aml, "ACPI0013");
	inner = dsdt_settings(aml);
	aml_interrupt(aml, LAYOUT_IRQ_GED, 0);
	aml_resources_end(aml, inner);
	aml_ports(aml, "EVTR", GED_PORT, 1);
	inner = aml_field(aml, "EVTR");
	aml_field_byte(aml, "EVTS");
	aml_end(aml, inner);

	inner = aml_method(aml, "_EVT", 1);
	size_t condition = aml_if(aml);

	aml_and(aml);
	aml_reference(aml, "EVTS");
	aml_integer(aml, GED_POWER_BUTTON);
	aml_nothing(aml);
	aml_notify(aml, "PWRB", DSDT_NOTIFY_BUTTON);
	aml_end(aml, condition);
	aml_end(aml, inner);
	aml_end(aml, device);
}

static void dsdt_panic(struct buf *aml)
{
	size_t device = aml_device(aml, "PEVT"), settings;

	dsdt_named_id(aml, "QEMU0001");
	settings = dsdt_settings(aml);
	aml_io(aml, LAYOUT_PORT_PVPANIC, 1);
	aml_resources_end(aml, settings);
	aml_end(aml, device);
}

/* Four elements, though hardware-reduced platforms use one: OpenBSD reads the others too. */
static void dsdt_sleep(struct buf *aml)
{
	size_t package;

	aml_name(aml, "\\_S5_");
	package = aml_package(aml, 4);
	aml_integer(aml, POWER_SLEEP_OFF);
	aml_integer(aml, POWER_SLEEP_OFF);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_end(aml, package);
}

void dsdt_write(struct buf *aml)
{
	size_t scope = aml_scope(aml, "\\_SB_");

	dsdt_pci(aml);
	dsdt_board(aml);
	dsdt_serial(aml);
	dsdt_button(aml);
	dsdt_events(aml);
	dsdt_panic(aml);
	aml_end(aml, scope);
	dsdt_sleep(aml);
}
