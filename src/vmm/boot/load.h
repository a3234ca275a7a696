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

/*
 * Puts len bytes of the file, which must have them, at gpa. Whole pages are mapped, so that they are shared
 * with the page cache, wherever offset and gpa agree in their place in a page; the rest is copied, and so
 * is everything into memory that other processes see, who would not see the mapping. The file must not be
 * truncated while the machine lives. -EFAULT with err set if the range is not all memory.
 */
int load_file(struct ram *ram, uint64_t gpa, int fd, uint64_t offset, uint64_t len,
	      struct err *err);

#endif
