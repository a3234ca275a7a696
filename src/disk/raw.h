/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_RAW_H
#define DISK_RAW_H

#include "disk/format.h"

/*
 * The file is the disk. An end that is no whole block is not part of a disk that is written to; where it is
 * only read, the rest of that block reads as zeroes. Takes over the file, also where it fails.
 */
int raw_open(struct blockfile *file, int writable, struct format **ret, struct err *err);

#endif
