/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_DRIVE_H
#define PROTO_DRIVE_H

#include "base/err.h"

/*
 * A disk more that a VM has: one of the record's `drives`, SOURCE[:OPTION,...]. SOURCE is a whole path on the host, of a
 * file or a block device, or the name of a volume that is a disk (proto/share.h says where it lies). The options:
 *   format=raw|qcow2  what is in it (raw); never guessed, since a guest writes the bytes that one would guess by
 *   ro                the guest cannot write to it, and other machines may have it as well
 *   serial=TEXT       its serial number in the guest (disk0, disk1... by its place)
 */
#define DRIVE_SERIAL_MAX 20 /* bytes of a virtio-blk serial number */
#define DRIVE_MAX	 16 /* of a machine */

struct drive {
	char *source;
	int is_volume;
	int qcow2, read_only;
	char serial[DRIVE_SERIAL_MAX + 1];
};

void drive_release(struct drive *drive);
#define _cleanup_drive_ _cleanup_(drive_release)

/* The record's one at that place; what it names need not be there. */
int drive_parse(const char *text, size_t place, struct drive *ret, struct err *err);
/* As a record has it, with its serial number, whatever place it comes to; caller frees. */
char *drive_format(const struct drive *drive);
/* All of a record's: their number, and no serial number twice. */
int drive_check_all(char *const *texts, struct err *err);

/* Where it is on the host, with the store `root`; caller frees. */
char *drive_path(const struct drive *drive, const char *root);
/* A descriptor, or an error; what is neither file nor block device is refused. Who uses it locks it. */
int drive_open(const struct drive *drive, const char *root, struct err *err);

#endif
