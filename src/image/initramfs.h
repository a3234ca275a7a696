/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_INITRAMFS_H
#define IMAGE_INITRAMFS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "image/modules.h"

/*
 * The first file system of a VM, as the kernel unpacks it (cpio "newc", Documentation/driver-api/
 * early-userspace/buffer-format.rst), not compressed: without hardware virtualization unpacking takes
 * the guest longer than reading.
 *
 *   /init               brig-guest
 *   /etc/modules        paths of modules, one per line, in the order in which to load them
 *   /etc/modules.later  more, for when the workload runs
 *   /etc/modules.shares  more, for when folders are shared
 *   /etc/modules.nets    more, for when there are network cards
 *   /lib/modules/RELEASE/...  just these, not compressed
 *   /dev/console, and /dev, /proc, /sys to mount on
 */
struct initramfs_input {
	const char *release;
	int modules_fd; /* the folder lib/modules/RELEASE; negative: everything is built in */
	struct modules_list modules; /* paths below it, the caller's */
	const void *init;	     /* NULL: none, for a digest of the rest */
	size_t init_len;
};

int initramfs_build(const struct initramfs_input *input, struct buf *ret, struct err *err);

#endif
