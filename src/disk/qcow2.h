/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_QCOW2_H
#define DISK_QCOW2_H

#include "disk/format.h"

/*
 * qcow2, versions 2 and 3 (QEMU's docs/interop/qcow2.txt), to read and to write: clusters are allocated,
 * counted, zeroed and given back, read through a backing chain and copied from it on write; clusters that an
 * internal snapshot or compression holds are copied too. Snapshots themselves are left alone.
 *
 * The name of a backing file that the image has in it is never looked at: backing is what the caller opened,
 * or NULL, and must be there exactly if the image says that it has one.
 *
 * Refused: encryption, an external data file, extended L2 entries, features that are not known. An image
 * that says of itself that it is corrupt, or that its reference counts are not up to date, is only read.
 *
 * Takes over file and backing, also where it fails.
 */
int qcow2_open(struct blockfile *file, int writable, struct format *backing, struct format **ret,
	       struct err *err);

#endif
