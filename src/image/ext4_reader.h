/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_EXT4_READER_H
#define IMAGE_EXT4_READER_H

#include "base/err.h"

/*
 * Reads an ext4 file system, hostile as whatever a guest has written, in user space (libext2fs). Whoever calls this
 * should have nothing to lose: see sys/confine.h.
 */

/*
 * Sends the folder `name` of the root to out as an exact tree stream (proto/tree.h). *ret_absent: there is none, and
 * nothing is sent. -EUCLEAN: the file system was not unmounted or is damaged, so it has to be repaired first. Data that
 * files share is sent for each, but in all no more than the file system has room for.
 */
int ext4_reader_send(int image, const char *name, int out, int *ret_absent, struct err *err);
/* The same without data: a list (tree_send_list()). */
int ext4_reader_list(int image, const char *name, int out, int *ret_absent, struct err *err);

/* All that this takes of the kernel, for sys/confine.h. */
extern const char *const ext4_reader_syscalls[];

#endif
