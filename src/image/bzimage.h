/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_BZIMAGE_H
#define IMAGE_BZIMAGE_H

#include <stddef.h>

#include "base/err.h"

/*
 * The file that x86 distributions ship as vmlinuz: a boot sector, set-up code, and a program that
 * holds the packed kernel and unpacks it. Offsets and names are those of the kernel's
 * Documentation/arch/x86/boot.rst. The file is hostile: an image may bring its own.
 */

/* Longest release (uname -r) of a kernel: __NEW_UTS_LEN. */
#define BZIMAGE_RELEASE_MAX 64

/* Largest file that a bzImage is unpacked into; Debian's is 51 MiB. */
#define BZIMAGE_UNPACKED_MAX (256U << 20)

/* Does it say that it is one? */
int bzimage_is(const void *data, size_t len);

/* The release that the header names, "" if it names none. */
int bzimage_release(const void *data, size_t len, char ret[BZIMAGE_RELEASE_MAX + 1],
		    struct err *err);

/* Unpacks the kernel: an ELF file and what follows it (the kernel's relocations). Caller frees. */
int bzimage_unpack(const void *data, size_t len, char **ret, size_t *ret_len, struct err *err);

/* Takes a release out of text ("6.1.0-56-cloud-amd64 (builder) ..."): its first word, if that may
 * stand in a path. -EINVAL if not. */
int bzimage_parse_release(const char *text, size_t len, char ret[BZIMAGE_RELEASE_MAX + 1]);

#endif
