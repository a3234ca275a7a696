// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/acpi/acpi.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "sys/child.h"
#include "vmm/layout.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)

/* The tables of a machine, and a folder to have them read in by ACPICA's own compiler. */
struct machine {
	struct ram *ram;
	uint64_t rsdp;
	char folder[32];
};

static uint64_t get(const struct machine *machine, uint64_t gpa, size_t len)
{
	uint64_t value = 0;

	assert_int_equal(ram_read(machine->ram, gpa, &value, len), 0);
	return value;
}

static unsigned int sum(const struct machine *machine, uint64_t gpa, uint64_t len)
{
	unsigned int total = 0;

	for (uint64_t i = 0; i < len; i++)
		total += (unsigned int)get(machine, gpa + i, 1);
	return total & 0xff;
}

static int setup(void **state)
{
	static struct machine machine;
	struct ram_options options = { .size = 2 * MIB };
	const struct acpi_machine acpi = { .cpus = 257 };
	struct err err = ERR_INIT;

	memcpy(machine.folder, "/tmp/brig-test-XXXXXX", 22);
	assert_non_null(mkdtemp(machine.folder));
	assert_int_equal(ram_new(&options, &machine.ram, &err), 0);
	assert_int_equal(acpi_write(machine.ram, &acpi, &machine.rsdp, &err), 0);
	*state = &machine;
	return 0;
}

static int teardown(void **state)
{
	struct machine *machine = *state;

	ram_free(machine->ram);
	return file_remove_tree(AT_FDCWD, machine->folder);
}

/* A table that the XSDT names. */
static uint64_t find(const struct machine *machine, const char *signature)
{
	uint64_t xsdt = get(machine, machine->rsdp + 24, 8), len = get(machine, xsdt + 4, 4);

	for (uint64_t at = xsdt + 36; at < xsdt + len; at += 8) {
		uint64_t table = get(machine, at, 8);

		if (!memcmp(ram_at(machine->ram, table, 4), signature, 4))
			return table;
	}
	return 0;
}

static void run(const struct machine *machine, char *const *argv, const char *expect)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err err = ERR_INIT;

	spec.argv = argv;
	spec.out = &out;
	spec.cwd = machine->folder;
	if (child_run(&spec, &err) < 0)
		fail_msg("%s", err.msg);
	if (expect && !strstr(out.data, expect))
		fail_msg("no '%s' in: %s", expect, out.data);
}

/* What iasl makes of a table; caller frees. */
static char *read_table(const struct machine *machine, uint64_t table)
{
	uint64_t len = get(machine, table + 4, 4);
	_cleanup_free_ char *data = mem_printf("%s/table.dat", machine->folder),
			    *text = mem_printf("%s/table.dsl", machine->folder);
	char *argv[] = { (char[]){ "iasl" }, (char[]){ "-d" }, data, NULL }, *said = NULL;
	const void *bytes = ram_at(machine->ram, table, len);

	assert_non_null(bytes);
	assert_int_equal(file_replace(AT_FDCWD, data, bytes, len, 0600, 0), 0);
	run(machine, argv, NULL);
	assert_int_equal(file_read(AT_FDCWD, text, 1 << 20, &said, NULL), 0);
	assert_null(strstr(said, "Incorrect checksum"));
	return said;
}

/* A line of the form "[...] NAME : VALUE" of a data table. */
static void assert_field(const char *text, const char *name, const char *value)
{
	_cleanup_free_ char *line = mem_printf("%s : %s\n", name, value);

	if (!strstr(text, line))
		fail_msg("no '%s' in: %s", line, text);
}

static void each_table_sums_up_to_zero(void **state)
{
	const struct machine *machine = *state;
	uint64_t xsdt = get(machine, machine->rsdp + 24, 8);
	static const char *const names[] = { "FACP", "APIC", "MCFG" };

	assert_int_equal(machine->rsdp, LAYOUT_ACPI);
	assert_memory_equal(ram_at(machine->ram, machine->rsdp, 8), "RSD PTR ", 8);
	assert_int_equal(get(machine, machine->rsdp + 15, 1), 2);
	assert_int_equal(sum(machine, machine->rsdp, 20), 0);
	assert_int_equal(sum(machine, machine->rsdp, 36), 0);
	assert_int_equal(sum(machine, xsdt, get(machine, xsdt + 4, 4)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		uint64_t table = find(machine, names[i]);

		assert_true(table >= LAYOUT_ACPI && table < LAYOUT_ACPI + LAYOUT_ACPI_SIZE);
		assert_int_equal(sum(machine, table, get(machine, table + 4, 4)), 0);
	}
}

static void linux_need_not_probe_for_what_is_not_there(void **state)
{
	const struct machine *machine = *state;
	_cleanup_free_ char *text = read_table(machine, find(machine, "FACP"));

	assert_field(text, "Hardware Reduced (V5)", "1");
	assert_field(text, "8042 Present on ports 60/64 (V2)", "0");
	assert_field(text, "VGA Not Present (V4)", "1");
	assert_field(text, "CMOS RTC Not Present (V5)", "1");
	assert_field(text, "MSI Not Supported (V4)", "0");
	assert_field(text, "Reset Register Supported (V2)", "1");
	assert_field(text, "Value to cause reset", "01");
	assert_field(text, "Control Method Power Button (V1)", "1");
	assert_field(text, "PM Timer Block Address", "00000000");
}

static void each_cpu_is_listed_once(void **state)
{
	const struct machine *machine = *state;
	_cleanup_free_ char *text = read_table(machine, find(machine, "APIC"));
	unsigned int small = 0, large = 0;

	for (const char *at = text; (at = strstr(at, "[Processor Local APIC]")); at++)
		small++;
	for (const char *at = text; (at = strstr(at, "[Processor Local x2APIC]")); at++)
		large++;
	assert_int_equal(small, 255);
	assert_int_equal(large, 2);
	assert_field(text, "Processor x2Apic ID", "00000100");
	assert_field(text, "Local Apic Address", "FEE00000");
	assert_field(text, "PC-AT Compatibility", "0");
	assert_non_null(strstr(text, "[I/O APIC]"));
	assert_field(text, "Address", "FEC00000");
}

static void the_ecam_has_one_bus(void **state)
{
	const struct machine *machine = *state;
	_cleanup_free_ char *text = read_table(machine, find(machine, "MCFG"));

	assert_field(text, "Base Address", "00000000E8000000");
	assert_field(text, "Start Bus Number", "00");
	assert_field(text, "End Bus Number", "00");
}

/* What the compiler makes of the disassembled table again: it finds nothing to say. */
static void the_dsdt_is_valid_code(void **state)
{
	const struct machine *machine = *state;
	uint64_t dsdt = get(machine, find(machine, "FACP") + 140, 8);
	_cleanup_free_ char *text = read_table(machine, dsdt);
	char *argv[] = { (char[]){ "iasl" }, (char[]){ "table.dsl" }, NULL };

	static const char *const parts[] = {
		"EisaId (\"PNP0A08\")",
		"0xC0000000,         // Range Minimum",
		"EisaId (\"PNP0C02\")",
		"0xE8000000,         // Address Base",
		"EisaId (\"PNP0501\")",
		"Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive, ,, )",
		"EisaId (\"PNP0C0C\")",
		"Notify (PWRB, 0x80)",
		"\"ACPI0013\"",
		"Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive, ,, )",
		"\"QEMU0001\"",
		"Name (\\_S5, Package (0x04)",
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!strstr(text, parts[i]))
			fail_msg("no '%s' in: %s", parts[i], text);
	}
	run(machine, argv, "Compilation successful. 0 Errors, 0 Warnings, 0 Remarks");
}

static void too_many_cpus_are_refused(void **state)
{
	const struct machine *machine = *state;
	struct acpi_machine acpi = { .cpus = 0 };
	struct err err = ERR_INIT;
	uint64_t rsdp = 0;

	assert_int_equal(acpi_write(machine->ram, &acpi, &rsdp, &err), -EINVAL);
	acpi.cpus = ACPI_CPUS_MAX + 1;
	assert_int_equal(acpi_write(machine->ram, &acpi, &rsdp, &err), -EINVAL);
	err = ERR_INIT;
	acpi.cpus = ACPI_CPUS_MAX;
	assert_int_equal(acpi_write(machine->ram, &acpi, &rsdp, &err), 0);
	assert_false(err_is_set(&err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_table_sums_up_to_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(linux_need_not_probe_for_what_is_not_there, setup,
						teardown),
		cmocka_unit_test_setup_teardown(each_cpu_is_listed_once, setup, teardown),
		cmocka_unit_test_setup_teardown(the_ecam_has_one_bus, setup, teardown),
		cmocka_unit_test_setup_teardown(the_dsdt_is_valid_code, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_cpus_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
