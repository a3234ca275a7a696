// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/boot.h"
#include "vmm/boot/bzimage64.h"
#include "vmm/boot/cmdline.h"
#include "vmm/boot/elf.h"
#include "vmm/boot/kaslr.h"
#include "vmm/boot/load.h"
#include "vmm/boot/memmap.h"
#include "vmm/boot/pvh.h"
#include "vmm/boot/start.h"
#include "vmm/boot/zero_page.h"
#include "vmm/dev/i8042.h"
#include "vmm/layout.h"

#include <string.h>

/* Linux's initrd_addr_max, for kernels that have no header to say so. */
#define BOOT_INITRD_MAX 0x7fffffffULL

/* One kernel on its way into memory. */
struct boot {
	struct ram *ram;
	const struct boot_input *input;
	uint64_t kernel_size, initrd_size; /* of the files */
	uint64_t initrd;		   /* where it is; without one, where it would be */
	char *cmdline;
	int kaslr; /* allowed */
	struct boot_entry entry;
};

/* At the end of low memory, on pages of its own, which the kernel gives back once it has unpacked it. */
static int boot_place_initrd(struct boot *boot, uint64_t max, struct err *err)
{
	uint64_t end = memmap_low_end(boot->ram);

	if (end > max + 1)
		end = max + 1;
	end &= ~(LOAD_PAGE - 1);
	if (boot->initrd_size > end || end - boot->initrd_size < LAYOUT_HIGH_MEMORY)
		return err_set(err, -ENOMEM,
			       "the machine's memory is too small for its initramfs of %ju MiB",
			       (uintmax_t)(boot->initrd_size >> 20));
	boot->initrd = (end - boot->initrd_size) & ~(LOAD_PAGE - 1);
	return 0;
}

/* What the kernel claims has to end before the initramfs. */
static int boot_set_kernel(struct boot *boot, uint64_t gpa, uint64_t size, struct err *err)
{
	if (gpa > boot->initrd || size > boot->initrd - gpa)
		return err_set(err, -ENOMEM,
			       "the machine's memory is too small: the kernel and the initramfs "
			       "need %ju MiB to start",
			       (uintmax_t)((gpa + size + boot->initrd_size) >> 20) + 1);
	boot->entry.kernel = gpa;
	boot->entry.kernel_size = size;
	return 0;
}

static int boot_load_initrd(struct boot *boot, struct err *err)
{
	if (boot->initrd_size && load_file(boot->ram, boot->initrd, boot->input->initramfs_fd, 0,
					   boot->initrd_size, LOAD_COPY, err) < 0)
		return err_wrap(err, "initramfs");
	return 0;
}

static int boot_write_zero_page(struct boot *boot, const struct bzimage64 *image, struct err *err)
{
	struct zero_page_input input = {
		.header = image ? image->header : NULL,
		.header_len = image ? image->header_len : 0,
		.initrd = boot->initrd_size ? boot->initrd : 0,
		.initrd_size = boot->initrd_size,
		.acpi_rsdp = boot->input->acpi_rsdp,
		.seed = boot->input->random.seed,
		.seed_len = BOOT_SEED_SIZE,
		.kaslr = boot->kaslr,
	};

	boot->entry.rsi = LAYOUT_ZERO_PAGE;
	return zero_page_write(boot->ram, &input, err);
}

/*
 * Linux as an ELF file. With relocations that we understand, its places are chosen at random. These go
 * through most of its pages, so it is copied then: a mapping's pages would all be copied one fault at a
 * time, and cost the guest one more fault each when it first runs into them.
 */
static int boot_linux(struct boot *boot, const struct elf_kernel *elf, struct err *err)
{
	const struct boot_random *random = &boot->input->random;
	_cleanup_(kaslr_release) struct kaslr kaslr = { .words = NULL };
	uint64_t shift = 0, size = elf->end - elf->start;
	int fd = boot->input->kernel_fd;
	int r = boot->kaslr
			? kaslr_read(fd, elf->tail, boot->kernel_size, elf->start, elf->end, &kaslr)
			: 0;

	if (r < 0)
		return err_errno(err, r, "cannot read its relocations");
	boot->entry.kaslr = r;
	if (r > 0) {
		shift = kaslr_choose(elf->start, size, boot->initrd, random->physical);
		boot->entry.virtual_offset =
			kaslr_choose(elf->start, size, KASLR_IMAGE_SIZE, random->virtual);
	}
	boot->entry.rip = elf->entry + shift;
	if (boot_set_kernel(boot, elf->start + shift, size, err) < 0 ||
	    elf_load(boot->ram, fd, elf, shift, r > 0 ? LOAD_COPY : LOAD_MAP, err) < 0)
		return err->code;
	if (r > 0)
		kaslr_apply(&kaslr, ram_at(boot->ram, elf->start + shift, size), elf->start,
			    boot->entry.virtual_offset);
	if (start_write(boot->ram, BOOT_LONG, elf->end + shift, &boot->entry, err) < 0)
		return err->code;
	return boot_write_zero_page(boot, NULL, err);
}

static int boot_pvh(struct boot *boot, const struct elf_kernel *elf, struct err *err)
{
	struct pvh_input input = { .initrd = boot->initrd_size ? boot->initrd : 0,
				   .initrd_size = boot->initrd_size,
				   .acpi_rsdp = boot->input->acpi_rsdp };

	boot->entry.rip = elf->pvh;
	boot->entry.rbx = LAYOUT_PVH_START;
	if (boot_set_kernel(boot, elf->start, elf->end - elf->start, err) < 0 ||
	    elf_load(boot->ram, boot->input->kernel_fd, elf, 0, LOAD_MAP, err) < 0 ||
	    start_write(boot->ram, BOOT_PVH, 0, &boot->entry, err) < 0)
		return err->code;
	return pvh_write(boot->ram, &input, err);
}

static int boot_elf(struct boot *boot, struct err *err)
{
	struct elf_kernel elf;

	if (elf_parse(boot->input->kernel_fd, boot->kernel_size, &elf, err) < 0 ||
	    boot_place_initrd(boot, BOOT_INITRD_MAX, err) < 0)
		return err->code;
	if (elf.is_linux && elf.entry)
		return boot_linux(boot, &elf, err);
	if (elf.pvh)
		return boot_pvh(boot, &elf, err);
	return err_set(err, -EOPNOTSUPP,
		       "it is no Linux of 4.18 or later, and has no PVH entry point, by which brig "
		       "boots other kernels");
}

static int boot_bzimage(struct boot *boot, struct err *err)
{
	struct bzimage64 image;

	if (bzimage64_parse(boot->input->kernel_fd, boot->kernel_size, &image, err) < 0 ||
	    boot_place_initrd(boot, image.initrd_max, err) < 0 ||
	    boot_set_kernel(boot, image.gpa, image.size, err) < 0 ||
	    load_file(boot->ram, image.gpa, boot->input->kernel_fd, image.offset, image.len,
		      LOAD_COPY, err) < 0)
		return err->code;
	boot->entry.rip = image.gpa + BZIMAGE64_ENTRY;
	if (start_write(boot->ram, BOOT_LONG, image.gpa + image.size, &boot->entry, err) < 0)
		return err->code;
	return boot_write_zero_page(boot, &image, err);
}

static int boot_kernel(struct boot *boot, struct err *err)
{
	char magic[4] = "";
	int r = load_size(boot->input->kernel_fd, &boot->kernel_size, err);

	if (r == 0 && boot->kernel_size >= sizeof(magic) &&
	    load_read(boot->input->kernel_fd, 0, magic, sizeof(magic)) < 0)
		r = err_set(err, -EIO, "cannot read it");
	if (r == 0)
		r = elf_is(magic) ? boot_elf(boot, err) : boot_bzimage(boot, err);
	return r < 0 ? err_wrap(err, "kernel") : 0;
}

/*
 * There is no firmware. A guest that goes back to it, as Linux does when all else failed, would run through zeros
 * for ever; so the reset line is pulled there.
 */
static int boot_write_firmware(struct boot *boot, struct err *err)
{
	static const uint8_t code[] = {
		0xb0, I8042_RESET,			 /* mov al, imm8 */
		0xe6, LAYOUT_PORT_I8042 + I8042_COMMAND, /* out imm8, al */
		0xf4,					 /* hlt */
	};

	if (ram_write(boot->ram, LAYOUT_FIRMWARE, code, sizeof(code)) < 0)
		return err_set(err, -ENOMEM, "the machine has no memory below 1 MiB");
	return 0;
}

static int boot_run(struct boot *boot, struct err *err)
{
	size_t len;
	int r = boot_write_firmware(boot, err);

	if (r == 0)
		r = cmdline_make(boot->input->cmdline, &boot->cmdline, err);
	if (r < 0)
		return r;
	boot->kaslr = boot->input->kaslr && !cmdline_has(boot->cmdline, "nokaslr");
	len = strlen(boot->cmdline) + 1;
	if (ram_write(boot->ram, LAYOUT_CMDLINE, boot->cmdline, len) < 0)
		return err_set(err, -ENOMEM, "the machine has no memory for its command line");
	if (boot->input->initramfs_fd >= 0 &&
	    load_size(boot->input->initramfs_fd, &boot->initrd_size, err) < 0)
		return err_wrap(err, "initramfs");
	r = boot_kernel(boot, err);
	return r < 0 ? r : boot_load_initrd(boot, err);
}

int boot_load(struct ram *ram, const struct boot_input *input, struct boot_entry *ret,
	      struct err *err)
{
	struct boot boot = { .ram = ram, .input = input };
	int r = boot_run(&boot, err);

	if (r == 0)
		*ret = boot.entry;
	free(boot.cmdline);
	return r;
}
