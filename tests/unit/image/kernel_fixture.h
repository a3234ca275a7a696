/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_KERNEL_FIXTURE_H
#define TESTS_KERNEL_FIXTURE_H

#include "base/buf.h"

/* Small kernels for the tests: what a real one has around its code, and no code. */

/* An ELF file with one segment, a PVH note and the banner of the release; caller frees. */
char *fixture_elf(const char *release, size_t *ret_len);

/* data packed as the kernel's build does: "lz4", "gzip", "xz", "zstd", "lzma". */
void fixture_pack(const char *format, const void *data, size_t len, struct buf *ret);

/* A bzImage around a payload that ends in the unpacked size. */
void fixture_bzimage(const char *release, const struct buf *payload, struct buf *ret);

/* A bzImage of fixture_elf() in the format. */
void fixture_kernel(const char *format, const char *release, struct buf *ret);

#endif
