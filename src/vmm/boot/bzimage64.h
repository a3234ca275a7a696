/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BOOT_BZIMAGE64_H
#define VMM_BOOT_BZIMAGE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/boot/zero_page.h"

/* A bzImage, which is hostile, for its 64-bit entry point: Documentation/arch/x86/boot.rst. */

struct bzimage64 {
	uint8_t header[ZERO_PAGE_HEADER_MAX]; /* its set-up header */
	size_t header_len;
	uint64_t offset, len; /* of the protected-mode kernel, in the file */
	uint64_t gpa;	      /* where that wants to be: pref_address */
	uint64_t size;	      /* how much memory it needs there: init_size, at least len */
	uint64_t initrd_max;  /* the last byte that an initramfs may have */
};

#define BZIMAGE64_ENTRY 0x200 /* from gpa */

/* size: the file's. -EINVAL with err set if it is none, -EOPNOTSUPP if it has no 64-bit entry point. */
int bzimage64_parse(int fd, uint64_t size, struct bzimage64 *ret, struct err *err);

#endif
