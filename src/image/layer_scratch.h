/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_LAYER_SCRATCH_H
#define IMAGE_LAYER_SCRATCH_H

#include <stdint.h>

#include "base/err.h"

/*
 * A place in memory for the files of a layer until they are packed: a tmpfs that is attached nowhere, so that it goes with
 * the last process that has it open. A disk would write them out, and forget them again, file by file.
 *
 * The layer is hostile, and so its size and the number of its files are bounded: all LAYER_SCRATCH_MAX together take no more
 * than half of the memory that is to spare. What does not fit, or needs what this kernel's tmpfs has not (user.* before
 * Linux 6.6), is unpacked on the disk.
 */
#define LAYER_SCRATCH_MAX 4 /* at a time */

/* The bytes that one may have now. */
int64_t layer_scratch_room(void);
/* Whether a blob of this size is worth a try. */
int layer_scratch_may_fit(int64_t blob_size, int64_t room);
/* The mount, with CONFINE_ATTRIBUTES of sys/confine.h; -errno: this host, or this caller, can have none. */
int layer_scratch_open(int64_t room);
/* Whether an error of who worked in it says nothing of the layer, which a disk may well have room for. */
int layer_scratch_is_at_fault(int code);
/* Shows it at the folder `path` to this process and what it starts, and to nobody else. */
int layer_scratch_attach(int scratch, const char *path, struct err *err);

#endif
