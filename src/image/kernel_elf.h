/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_KERNEL_ELF_H
#define IMAGE_KERNEL_ELF_H

#include <stddef.h>

#include "base/err.h"
#include "image/bzimage.h"

/* The unpacked kernel, as hostile as what it came from. */

int kernel_elf_is(const void *data, size_t len);

/*
 * Is it an x86-64 kernel that our VM engines can boot: segments inside the file and below 4 GiB, not
 * overlapping, and a PVH note with an entry point inside one of them? -EINVAL if not, -EOPNOTSUPP if
 * only the PVH entry is missing.
 */
int kernel_elf_check(const void *data, size_t len, struct err *err);

/*
 * Makes each segment of a checked kernel end in the file where only zeroes follow, but not in memory, as objcopy
 * does not do for a kernel's .bss: 11 of Debian's 51 MiB, which would be copied into each VM. The file keeps its
 * length and all else. A kernel whose section table is not behind its segments stays as it is: what follows its
 * headers' last byte are relocations (vmm/boot/kaslr.h), and that byte has to stay where it is.
 */
void kernel_elf_trim(void *data);

/* The release, from the banner that every kernel has in it. */
int kernel_elf_release(const void *data, size_t len, char ret[BZIMAGE_RELEASE_MAX + 1],
		       struct err *err);

#endif
