/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_EXT4_TIMES_H
#define IMAGE_EXT4_TIMES_H

#include "base/err.h"

/*
 * Gives the files of the ext4 file system in the file at disk, which mke2fs(8) has filled with what is in folder and
 * nobody else has written to, the times of those in the folder: mke2fs 1.47.0 has whole seconds, and none after 2038. To
 * be called as who may read the folder; changes the working directory meanwhile.
 */
int ext4_times_set(const char *disk, const char *folder, struct err *err);

#endif
