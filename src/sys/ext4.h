/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_EXT4_H
#define SYS_EXT4_H

#include <stdint.h>

#include "base/err.h"

/* The writable disks of VMs: sparse files that hold an ext4 file system with a journal. */

/*
 * Makes path, which must not exist, an empty file system of size bytes (rounded up to MiB). The first
 * one of its size is kept in the folder cache, which is made if needed, and copied from then on.
 */
int ext4_create(const char *cache, const char *path, int64_t size, struct err *err);

/* Opens the disk at path for reading and writing, made first if there is none. *ret_fd is the caller's. */
int ext4_open(const char *cache, const char *path, int64_t size, int *ret_fd, struct err *err);

#endif
