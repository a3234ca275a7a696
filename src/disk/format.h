/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_FORMAT_H
#define DISK_FORMAT_H

#include <stdint.h>

#include "disk/blockfile.h"
#include "disk/vector.h"

/*
 * An open image in some format, between disk.c and the formats. Calls block; several threads make them at
 * once. Ranges lie within size and are multiples of block, but len may be 0. All return 0 or -errno.
 */
struct format;

struct format_ops {
	const char *name;
	int (*read)(struct format *format, const struct vector *v, uint64_t offset);
	int (*write)(struct format *format, const struct vector *v, uint64_t offset);
	int (*flush)(struct format *format);
	int (*discard)(struct format *format, uint64_t offset, uint64_t len);
	int (*zero)(struct format *format, uint64_t offset, uint64_t len, int unmap);
	void (*free)(struct format *format);
};

struct format {
	const struct format_ops *ops;
	uint64_t size;	   /* bytes, as the guest sees it */
	uint32_t block;	   /* at least 512 */
	uint32_t physical; /* a hint for the guest: what is quick to write, at least block */
	/* Where the bytes of the disk are the bytes of this file, at the same offset; else NULL. */
	const struct blockfile *plain;
};

#endif
