// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/boot.h"
#include "made_kernel.h"
#include "vmm/boot/cmdline.h"
#include "vmm/boot/kaslr.h"
#include "vmm/layout.h"

#include <asm/bootparam.h>

#define RSDP 0xe0000

static struct made_kernel made;
static struct boot_entry entry;
static struct boot_params page;
static struct err err;

struct machine {
	struct ram *ram;
	struct boot_input input;
};

static int setup(void **state)
{
	static struct machine machine;

	made_init(&made);
	memset(&entry, 0, sizeof(entry));
	err = ERR_INIT;
	machine = (struct machine){ .ram = made_ram(64 * MIB, 0),
				    .input = { .kernel_fd = -EBADF,
					       .initramfs_fd = -EBADF,
					       .cmdline = "root=x",
					       .acpi_rsdp = RSDP,
					       .kaslr = 1 } };
	memset(machine.input.random.seed, 's', BOOT_SEED_SIZE);
	machine.input.random.physical = 3;
	machine.input.random.virtual = 5;
	*state = &machine;
	return 0;
}

static int teardown(void **state)
{
	struct machine *machine = *state;

	ram_free(machine->ram);
	fd_close(machine->input.kernel_fd);
	fd_close(machine->input.initramfs_fd);
	return 0;
}

/* The kernel as it stands in made, with n words after it. */
static int load(struct machine *machine, size_t n)
{
	int r;

	fd_close(machine->input.kernel_fd);
	machine->input.kernel_fd = made_file(&made, MADE_END + n * sizeof(uint32_t));
	r = boot_load(machine->ram, &machine->input, &entry, &err);
	assert_int_equal(r < 0, err_is_set(&err));
	if (r == 0)
		assert_int_equal(ram_read(machine->ram, LAYOUT_ZERO_PAGE, &page, sizeof(page)), 0);
	return r;
}

static uint64_t translate(const struct ram *ram, uint64_t address)
{
	uint64_t at = entry.cr3;

	for (int shift = 39; shift >= 21; shift -= 9) {
		at = made_read(ram, (at & ~0xfffULL) + (address >> shift & 511) * 8, 8);
		if (!(at & 1))
			return UINT64_MAX;
		if (at & 0x80)
			return (at & ~0x1fffffULL) + address % (1 << 21);
	}
	return UINT64_MAX;
}

static void linux_starts_in_long_mode_with_a_zero_page(void **state)
{
	struct machine *machine = *state;
	char line[CMDLINE_MAX + 1];

	assert_int_equal(load(machine, 0), 0);
	assert_int_equal(entry.mode, BOOT_LONG);
	assert_int_equal(entry.rip, MADE_START);
	assert_int_equal(entry.rsi, LAYOUT_ZERO_PAGE);
	assert_int_equal(entry.kernel, MADE_START);
	assert_int_equal(entry.kernel_size, MADE_SIZE);
	assert_int_equal(made_read(machine->ram, entry.rip, 1), 't');
	assert_int_equal(page.hdr.header, 0x53726448);
	assert_int_equal(page.hdr.boot_flag, 0xaa55);
	assert_int_equal(page.acpi_rsdp_addr, RSDP);
	assert_int_equal(page.hdr.ramdisk_size, 0);
	assert_int_equal(ram_read(machine->ram, page.hdr.cmd_line_ptr, line, sizeof(line)), 0);
	assert_true(cmdline_has(line, "root=x"));
	assert_true(page.e820_entries >= 4);
	assert_int_equal(page.e820_table[0].type, 1);
}

static void a_guest_that_goes_back_to_the_firmware_is_reset(void **state)
{
	struct machine *machine = *state;

	assert_int_equal(load(machine, 0), 0);
	assert_int_equal(made_read(machine->ram, 0xffff0, 5),
			 0xf464e6feb0); /* mov al, fe; out 64, al; hlt */
}

static void the_cpu_finds_itself_in_its_page_tables(void **state)
{
	struct machine *machine = *state;

	assert_int_equal(load(machine, 0), 0);
	assert_int_equal(translate(machine->ram, entry.rip), entry.rip);
	assert_int_equal(translate(machine->ram, entry.rsi), entry.rsi);
	assert_int_equal(translate(machine->ram, 64 * MIB - 8), 64 * MIB - 8);
	assert_int_equal(translate(machine->ram, 1024 * MIB), UINT64_MAX);
	assert_true(entry.gdt_limit >= entry.task + 7);
	assert_int_equal(made_read(machine->ram, entry.gdt, 8), 0);
	/* long mode's code segment, present, execute/read */
	assert_int_equal(made_read(machine->ram, entry.gdt + entry.code, 8) >> 40 & 0x60fb, 0x209b);
}

static void the_kernel_gets_its_first_entropy(void **state)
{
	struct machine *machine = *state;

	assert_int_equal(load(machine, 0), 0);
	assert_int_equal(made_read(machine->ram, page.hdr.setup_data, 8), 0);
	assert_int_equal(made_read(machine->ram, page.hdr.setup_data + 8, 4), 9);
	assert_int_equal(made_read(machine->ram, page.hdr.setup_data + 12, 4), BOOT_SEED_SIZE);
	assert_memory_equal(ram_at(machine->ram, page.hdr.setup_data + 16, BOOT_SEED_SIZE),
			    machine->input.random.seed, BOOT_SEED_SIZE);
}

static void the_initramfs_ends_where_low_memory_does(void **state)
{
	struct machine *machine = *state;
	char *data = malloc(3 * MIB + 5);

	memset(data, 'i', 3 * MIB + 5);
	machine->input.initramfs_fd = made_file(data, 3 * MIB + 5);
	free(data);
	assert_int_equal(load(machine, 0), 0);
	assert_int_equal(page.hdr.ramdisk_size, 3 * MIB + 5);
	assert_int_equal(page.hdr.ramdisk_image, 64 * MIB - (3 * MIB + 4096));
	assert_int_equal(made_read(machine->ram, page.hdr.ramdisk_image, 1), 'i');
	assert_int_equal(made_read(machine->ram, page.hdr.ramdisk_image + 3 * MIB + 4, 2), 'i');
}

static void a_table_that_adds_up_moves_the_kernel(void **state)
{
	struct machine *machine = *state;
	const uint32_t table[] = { 0, 0x81000010, 0, 0x81200008 };
	uint64_t value = 0xffffffff81000000;

	memcpy(made.table, table, sizeof(table));
	memcpy(made.bytes + MADE_TEXT + 0x10, &value, 8);
	assert_int_equal(load(machine, 4), 0);
	assert_int_equal(entry.kaslr, 1);
	assert_int_equal(entry.virtual_offset, 5 * KASLR_ALIGN);
	assert_int_equal(entry.kernel, MADE_START + 3 * KASLR_ALIGN);
	assert_int_equal(entry.rip, entry.kernel);
	assert_int_equal(made_read(machine->ram, entry.kernel + 0x10, 8),
			 value + entry.virtual_offset);
	assert_int_equal(made_read(machine->ram, entry.kernel + 0x200008, 4),
			 0x64646464 + entry.virtual_offset);
	assert_int_equal(page.hdr.loadflags & KASLR_FLAG, KASLR_FLAG);
}

static void the_kernel_never_moves_over_the_initramfs(void **state)
{
	struct machine *machine = *state;
	const uint32_t table[] = { 0, 0x81000010, 0, 0x81200008 };
	char *data = calloc(1, 40 * MIB);

	memcpy(made.table, table, sizeof(table));
	machine->input.initramfs_fd = made_file(data, 40 * MIB);
	free(data);
	for (uint64_t random = 0; random < 8; random++) {
		machine->input.random.physical = random;
		assert_int_equal(load(machine, 4), 0);
		assert_true(entry.kernel + entry.kernel_size <= page.hdr.ramdisk_image);
	}
}

static void nokaslr_and_odd_tables_leave_the_kernel_as_linked(void **state)
{
	struct machine *machine = *state;
	const uint32_t table[] = { 0, 0x81000010, 0, 0x81200008 };

	memcpy(made.table, table, sizeof(table));
	machine->input.cmdline = "quiet nokaslr";
	assert_int_equal(load(machine, 4), 0);
	assert_int_equal(entry.kaslr, 0);
	assert_int_equal(entry.kernel, MADE_START);
	assert_int_equal(entry.virtual_offset, 0);
	assert_int_equal(page.hdr.loadflags & KASLR_FLAG, 0);
	machine->input.cmdline = "";
	made.table[0] = 1;
	assert_int_equal(load(machine, 4), 0);
	assert_int_equal(entry.kaslr, 0);
	assert_int_equal(made_read(machine->ram, MADE_START + 0x10, 1), 't');
	machine->input.kaslr = 0;
	made.table[0] = 0;
	assert_int_equal(load(machine, 4), 0);
	assert_int_equal(entry.kaslr, 0);
}

static void other_kernels_start_by_pvh(void **state)
{
	struct machine *machine = *state;
	char line[CMDLINE_MAX + 1];

	made_other(&made);
	machine->input.initramfs_fd = made_file("ramdisk", 8);
	assert_int_equal(load(machine, 0), 0);
	assert_int_equal(entry.mode, BOOT_PVH);
	assert_int_equal(entry.rip, MADE_PVH);
	assert_int_equal(entry.rbx, LAYOUT_PVH_START);
	assert_int_equal(entry.cr3, 0);
	/* a 32-bit code segment of 4 GiB */
	assert_int_equal(made_read(machine->ram, entry.gdt + entry.code, 8), 0x00cf9b000000ffff);
	assert_int_equal(made_read(machine->ram, entry.rbx, 4), 0x336ec578);
	assert_int_equal(made_read(machine->ram, entry.rbx + 4, 4), 1);
	assert_int_equal(made_read(machine->ram, entry.rbx + 12, 4), 1);
	assert_int_equal(made_read(machine->ram, entry.rbx + 32, 8), RSDP);
	assert_int_equal(ram_read(machine->ram, made_read(machine->ram, entry.rbx + 24, 8), line,
				  sizeof(line)),
			 0);
	assert_true(cmdline_has(line, "root=x"));
	/* its one module, and the first range of its memory map */
	assert_int_equal(
		made_read(machine->ram,
			  made_read(machine->ram, made_read(machine->ram, entry.rbx + 16, 8), 8),
			  8),
		0x006b7369646d6172);
	assert_int_equal(made_read(machine->ram, made_read(machine->ram, entry.rbx + 40, 8) + 8, 8),
			 LAYOUT_EBDA);
	assert_true(made_read(machine->ram, entry.rbx + 48, 4) >= 4);
}

static void too_little_memory_is_told(void **state)
{
	struct machine *machine = *state;
	char *data = calloc(1, 48 * MIB);

	machine->input.initramfs_fd = made_file(data, 48 * MIB);
	free(data);
	assert_int_equal(load(machine, 0), -ENOMEM);
	assert_non_null(strstr(err.msg, "memory is too small"));
}

static void what_is_no_kernel_is_refused(void **state)
{
	struct machine *machine = *state;

	made_other(&made);
	made_notes(&made)->second.n_type = 17;
	assert_int_equal(load(machine, 0), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "PVH"));
	err = ERR_INIT;
	memset(&made, 'x', sizeof(made));
	assert_int_equal(load(machine, 0), -EINVAL);
	assert_non_null(strstr(err.msg, "no kernel"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(linux_starts_in_long_mode_with_a_zero_page, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_guest_that_goes_back_to_the_firmware_is_reset,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_cpu_finds_itself_in_its_page_tables, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_kernel_gets_its_first_entropy, setup, teardown),
		cmocka_unit_test_setup_teardown(the_initramfs_ends_where_low_memory_does, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_table_that_adds_up_moves_the_kernel, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_kernel_never_moves_over_the_initramfs, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nokaslr_and_odd_tables_leave_the_kernel_as_linked,
						setup, teardown),
		cmocka_unit_test_setup_teardown(other_kernels_start_by_pvh, setup, teardown),
		cmocka_unit_test_setup_teardown(too_little_memory_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_kernel_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
