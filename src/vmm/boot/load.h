/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BOOT_LOAD_H
#define VMM_BOOT_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/mem/ram.h"

/* Files into guest memory. */

#define LOAD_PAGE ((uint64_t)4096)

/* The size of a regular file (or memfd) in bytes; -EINVAL with err set for anything else. */
int load_size(int fd, uint64_t *ret, struct err *err);

/* Exactly len bytes at offset; -EIO if the file ends before. */
int load_read(int fd, uint64_t offset, void *data, size_t len);

enum load_how {
	LOAD_COPY, /* into memory that may be huge pages: the quickest to run */
	LOAD_MAP, /* shares what the guest only reads with the page cache, and so with other machines */
};

/*
 * Puts len bytes of the file, which must have them, at gpa. LOAD_MAP maps whole pages wherever offset and gpa
 * agree in their place in a page; the rest is copied, and so is everything into memory that other processes
 * see, who would not see the mapping. A mapped file must not be truncated while the machine lives. -EFAULT
 * with err set if the range is not all memory.
 */
int load_file(struct ram *ram, uint64_t gpa, int fd, uint64_t offset, uint64_t len,
	      enum load_how how, struct err *err);

#endif
