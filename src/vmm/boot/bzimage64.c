// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/bzimage64.h"
#include "vmm/boot/load.h"
#include "vmm/layout.h"

#include <asm/bootparam.h>
#include <endian.h>
#include <string.h>

#define BZIMAGE64_SECTOR	512
#define BZIMAGE64_SETUP_DEFAULT 4	   /* what 0 in setup_sects means */
#define BZIMAGE64_VERSION_MIN	0x20c	   /* the first with xloadflags */
#define BZIMAGE64_MAGIC		0x53726448 /* "HdrS" */
/* The header ends where its first instruction, a jump of two bytes, goes to. */
#define BZIMAGE64_JUMP_TARGET 0x202
#define BZIMAGE64_JUMP_OFFSET 0x201

/* The header of 2.12 goes as far as this; a longer one is newer, and taken too. */
#define BZIMAGE64_HEADER_MIN (offsetof(struct setup_header, handover_offset))

static int bzimage64_check(struct bzimage64 *image, const struct setup_header *header,
			   uint64_t size, struct err *err)
{
	uint64_t sectors = header->setup_sects ? header->setup_sects : BZIMAGE64_SETUP_DEFAULT;

	if (le16toh(header->version) < BZIMAGE64_VERSION_MIN ||
	    !(le16toh(header->xloadflags) & XLF_KERNEL_64))
		return err_set(err, -EOPNOTSUPP,
			       "it has no 64-bit entry point (Linux 3.8 and later have)");
	image->offset = (sectors + 1) * BZIMAGE64_SECTOR;
	if (size <= image->offset + BZIMAGE64_ENTRY)
		return err_set(err, -EINVAL, "it is truncated");
	image->len = size - image->offset;
	image->gpa = le64toh(header->pref_address);
	image->size = le32toh(header->init_size);
	if (image->size < image->len)
		image->size = image->len;
	image->initrd_max = le32toh(header->initrd_addr_max);
	if (image->gpa < LAYOUT_HIGH_MEMORY || image->gpa % LOAD_PAGE || image->gpa > UINT32_MAX ||
	    image->size > UINT32_MAX - image->gpa)
		return err_set(err, -EINVAL, "it wants to be loaded to an impossible address");
	return 0;
}

int bzimage64_parse(int fd, uint64_t size, struct bzimage64 *ret, struct err *err)
{
	struct bzimage64 image = { .header_len = 0 };
	struct setup_header header = { 0 };
	int r;

	if (size < ZERO_PAGE_HEADER + sizeof(image.header))
		return err_set(err, -EINVAL, "it is no kernel: neither an ELF file nor a bzImage");
	r = load_read(fd, ZERO_PAGE_HEADER, image.header, sizeof(image.header));
	if (r < 0)
		return err_errno(err, r, "cannot read it");
	memcpy(&header, image.header, sizeof(header));
	if (le32toh(header.header) != BZIMAGE64_MAGIC || le16toh(header.boot_flag) != 0xaa55)
		return err_set(err, -EINVAL, "it is no kernel: neither an ELF file nor a bzImage");
	image.header_len = BZIMAGE64_JUMP_TARGET - ZERO_PAGE_HEADER +
			   image.header[BZIMAGE64_JUMP_OFFSET - ZERO_PAGE_HEADER];
	if (image.header_len > sizeof(image.header))
		image.header_len = sizeof(image.header);
	if (image.header_len < BZIMAGE64_HEADER_MIN)
		return err_set(err, -EINVAL, "its header is too short for its version");
	if (bzimage64_check(&image, &header, size, err) < 0)
		return err->code;
	*ret = image;
	return 0;
}
