// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "vmm/boot/boot.h"
#include "vmm/layout.h"

#include <asm/bootparam.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define FUZZ_MEMORY ((uint64_t)64 << 20)
#define FUZZ_INITRD 5000

/* Where the guest is told that it is: a bzImage has a say in it. */
static uint64_t find_initrd(const struct ram *ram, const struct boot_entry *entry)
{
	struct boot_params params;

	if (entry->mode != BOOT_LONG)
		return FUZZ_MEMORY - 8192;
	memcpy(&params, ram_at(ram, entry->rsi, sizeof(params)), sizeof(params));
	if (params.hdr.ramdisk_size != FUZZ_INITRD)
		abort();
	return params.hdr.ramdisk_image;
}

/* A kernel file is loaded beside the initramfs and above our own structures, or refused with a reason. */
static void check(const struct ram *ram, const struct boot_entry *entry)
{
	uint64_t initrd = find_initrd(ram, entry), end = entry->kernel + entry->kernel_size;

	if (entry->kernel < LAYOUT_HIGH_MEMORY || end > FUZZ_MEMORY || entry->rip < entry->kernel ||
	    entry->rip >= end || initrd < LAYOUT_HIGH_MEMORY ||
	    (initrd < end && entry->kernel < initrd + FUZZ_INITRD))
		abort();
	if (!ram_at(ram, entry->rip, 1) || entry->virtual_offset % ((uint64_t)2 << 20))
		abort();
	/* nobody wrote over the initramfs */
	if (*(const char *)ram_at(ram, initrd, 1) != 'i' ||
	    *(const char *)ram_at(ram, initrd + FUZZ_INITRD - 1, 1) != 'i')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int kernel = memfd_create("kernel", MFD_CLOEXEC),
			    initrd = memfd_create("initrd", MFD_CLOEXEC);
	const struct ram_options options = { .size = FUZZ_MEMORY, .shared = size % 2 };
	struct boot_input input = { .cmdline = "", .acpi_rsdp = LAYOUT_ACPI, .kaslr = 1 };
	struct boot_entry entry = { 0 };
	struct err err = ERR_INIT;
	char bytes[FUZZ_INITRD];
	struct ram *ram;
	int r;

	memset(bytes, 'i', sizeof(bytes));
	if (file_write_all(kernel, data, size) < 0 ||
	    file_write_all(initrd, bytes, sizeof(bytes)) < 0 || ram_new(&options, &ram, &err) < 0)
		abort();
	input.kernel_fd = kernel;
	input.initramfs_fd = initrd;
	input.random.physical = size * 7;
	input.random.virtual = size * 13;
	r = boot_load(ram, &input, &entry, &err);
	if ((r < 0) != err_is_set(&err))
		abort();
	if (r == 0)
		check(ram, &entry);
	ram_free(ram);
	return 0;
}
