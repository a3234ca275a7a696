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

/*
 * The same with what is in the folder, for who cannot mount it: owners are as the caller sees them, and times are whole
 * seconds (image/ext4_times.h makes up for that).
 */
int ext4_create_from(const char *folder, const char *path, int64_t size, struct err *err);

/*
 * Opens the disk at path for reading and writing, made first if there is none, and made larger if it is smaller: whoever
 * mounts it grows the file system. *ret_fd is the caller's.
 */
int ext4_open(const char *cache, const char *path, int64_t size, int *ret_fd, struct err *err);

/*
 * Mounts the disk that nobody but the host has written to yet, which takes root; -EUCLEAN if it has not been
 * unmounted. The mount is seen by nobody and goes when *ret_fd is closed; then ext4_is_unmounted() tells whether all
 * that was written is in the file.
 */
int ext4_mount(const char *path, int *ret_fd, struct err *err);
/* 1, 0 or -errno. */
int ext4_is_unmounted(int fd);

/*
 * Repairs the file system in the file, whatever it holds, by e2fsck(8) in a sandbox: with no right but to this file,
 * which it is given for good. -EUCLEAN if it cannot be.
 */
int ext4_repair(const char *path, struct err *err);

#endif
