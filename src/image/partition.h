/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_PARTITION_H
#define IMAGE_PARTITION_H

#include <stdint.h>

#include "base/err.h"

/*
 * What lies where on a disk: GPT (UEFI specification, chapter 5), MBR with logical partitions, or one file system on
 * all of it. The bytes are hostile; what comes out lies within the disk.
 */

#define PARTITION_MAX 20 /* that are in use; a disk with more is refused */

enum partition_system {
	PARTITION_UNKNOWN,
	PARTITION_EXT,
	PARTITION_XFS,
	PARTITION_BTRFS,
	PARTITION_F2FS,
	PARTITION_NTFS,
	PARTITION_EROFS,
	PARTITION_SQUASHFS,
	PARTITION_ISO9660,
	PARTITION_LUKS,
	PARTITION_LVM,
	PARTITION_SWAP,
	PARTITION_VFAT,
	PARTITION_SYSTEMS,
};

enum partition_type {
	PARTITION_OTHER,
	PARTITION_LINUX,
	PARTITION_ROOT, /* of this kind of machine */
	PARTITION_HOME,
	PARTITION_BOOT,
	PARTITION_EFI,
	PARTITION_BIOS,
	PARTITION_TYPE_SWAP,
	PARTITION_TYPE_LVM,
	PARTITION_TYPES,
};

struct partition {
	int64_t start, len; /* bytes */
	uint16_t number;    /* as Linux counts them; 0: all of the disk */
	uint8_t type, system;
	uint8_t has_root; /* for who looks into it */
};

struct partition_table {
	uint32_t n;
	struct partition partitions[PARTITION_MAX];
};

/* fd: a file of size bytes. A disk with neither table nor file system has no partitions. */
int partition_read(int fd, int64_t size, struct partition_table *ret, struct err *err);
/* Whether the first bytes of a file look like those of a disk. */
int partition_is_disk(int fd, int64_t size);

/* "EFI system partition", "ext4"... for people. */
const char *partition_type_name(enum partition_type type);
const char *partition_system_name(enum partition_system system);

#endif
