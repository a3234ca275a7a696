// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/bzimage64.h"
#include "made_kernel.h"
#include "vmm/boot/boot.h"
#include "vmm/layout.h"

#include <asm/bootparam.h>

#define FILE_SIZE 0x4000
#define OFFSET	  0x600 /* two sectors of set-up code after the first */

static union {
	uint8_t bytes[FILE_SIZE];
	struct boot_params page;
} image;
static struct bzimage64 parsed;

static void make(void)
{
	struct setup_header *header = &image.page.hdr;

	memset(&image, 0, sizeof(image));
	memset(image.bytes + OFFSET, 'k', FILE_SIZE - OFFSET);
	header->setup_sects = 2;
	header->boot_flag = 0xaa55;
	header->jump = 0x6aeb; /* to 0x26c */
	header->header = 0x53726448;
	header->version = 0x20f;
	header->xloadflags = XLF_KERNEL_64;
	header->loadflags = LOADED_HIGH | KASLR_FLAG;
	header->pref_address = 16 * MIB;
	header->init_size = 2 * MIB;
	header->initrd_addr_max = 0x7fffffff;
}

static int parse(size_t len)
{
	int fd = made_file(&image, len), r;
	struct err err = ERR_INIT;

	r = bzimage64_parse(fd, len, &parsed, &err);
	assert_int_equal(r < 0, err_is_set(&err));
	fd_close(fd);
	return r;
}

static void a_bzimage_says_where_it_goes(void **state _unused_)
{
	make();
	assert_int_equal(parse(FILE_SIZE), 0);
	assert_int_equal(parsed.offset, OFFSET);
	assert_int_equal(parsed.len, FILE_SIZE - OFFSET);
	assert_int_equal(parsed.gpa, 16 * MIB);
	assert_int_equal(parsed.size, 2 * MIB);
	assert_int_equal(parsed.header_len, 0x26c - 0x1f1);
	image.page.hdr.init_size = 1;
	assert_int_equal(parse(FILE_SIZE), 0);
	assert_int_equal(parsed.size, FILE_SIZE - OFFSET);
	image.page.hdr.setup_sects = 0;
	assert_int_equal(parse(FILE_SIZE), 0);
	assert_int_equal(parsed.offset, 5 * 512);
}

static void what_is_wrong_is_refused(void **state _unused_)
{
	make();
	for (size_t len = 0; len <= OFFSET + BZIMAGE64_ENTRY; len += 97)
		assert_int_equal(parse(len), -EINVAL);
	image.page.hdr.version = 0x20b;
	assert_int_equal(parse(FILE_SIZE), -EOPNOTSUPP);
	make();
	image.page.hdr.xloadflags = 0;
	assert_int_equal(parse(FILE_SIZE), -EOPNOTSUPP);
	make();
	image.page.hdr.jump = 0x02eb;
	assert_int_equal(parse(FILE_SIZE), -EINVAL);
	make();
	image.page.hdr.pref_address = 0x7000;
	assert_int_equal(parse(FILE_SIZE), -EINVAL);
	image.page.hdr.pref_address = 16 * MIB + 1;
	assert_int_equal(parse(FILE_SIZE), -EINVAL);
	image.page.hdr.pref_address = UINT64_MAX & ~0xfffULL;
	assert_int_equal(parse(FILE_SIZE), -EINVAL);
	make();
	image.page.hdr.init_size = UINT32_MAX - 15 * MIB;
	assert_int_equal(parse(FILE_SIZE), -EINVAL);
}

static void it_starts_in_long_mode_and_unpacks_itself(void **state _unused_)
{
	struct ram *ram = made_ram(64 * MIB, 0);
	struct boot_input input = { .initramfs_fd = -EBADF, .cmdline = "", .kaslr = 1 };
	struct boot_entry entry;
	struct boot_params page;
	struct err err = ERR_INIT;

	make();
	image.page.hdr.hardware_subarch = 7;
	input.kernel_fd = made_file(&image, FILE_SIZE);
	assert_int_equal(boot_load(ram, &input, &entry, &err), 0);
	assert_int_equal(entry.mode, BOOT_LONG);
	assert_int_equal(entry.rip, 16 * MIB + 0x200);
	assert_int_equal(entry.kernel_size, 2 * MIB);
	assert_int_equal(entry.kaslr, 0);
	assert_int_equal(made_read(ram, entry.rip, 1), 'k');
	assert_int_equal(ram_read(ram, entry.rsi, &page, sizeof(page)), 0);
	assert_int_equal(page.hdr.hardware_subarch, 7);
	assert_int_equal(page.hdr.loadflags, LOADED_HIGH);
	assert_int_equal(page.hdr.type_of_loader, 0xff);
	assert_int_equal(page.hdr.cmd_line_ptr, LAYOUT_CMDLINE);
	assert_int_equal(page.hdr.init_size, 2 * MIB);
	fd_close(input.kernel_fd);
	ram_free(ram);
}

static void one_that_needs_more_memory_is_refused(void **state _unused_)
{
	struct ram *ram = made_ram(32 * MIB, 0);
	struct boot_input input = { .initramfs_fd = -EBADF, .cmdline = "" };
	struct boot_entry entry;
	struct err err = ERR_INIT;

	make();
	image.page.hdr.init_size = 16 * MIB + 1;
	input.kernel_fd = made_file(&image, FILE_SIZE);
	assert_int_equal(boot_load(ram, &input, &entry, &err), -ENOMEM);
	assert_non_null(strstr(err.msg, "memory is too small"));
	fd_close(input.kernel_fd);
	ram_free(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bzimage_says_where_it_goes),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(it_starts_in_long_mode_and_unpacks_itself),
		cmocka_unit_test(one_that_needs_more_memory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
