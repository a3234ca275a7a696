/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_EXT4_LAYER_H
#define IMAGE_EXT4_LAYER_H

#include <stdint.h>

#include "base/err.h"

/*
 * An ext4 file system, as hostile as for image/ext4_reader.h, as the tar of an image's layer. To be called where
 * nothing is to be lost (ext4_reader_syscalls are enough).
 */
struct ext4_layer_source {
	int image;
	int64_t start, len; /* where in the image the file system is; len 0: to its end */
	/*
	 * A folder of the root that is an overlay's upper layer: what overlayfs has marked as deleted becomes .wh.NAME, as
	 * image/upper.h does it. NULL: all of the file system, which is a root; its lost+found is left out.
	 */
	const char *folder;
	void (*progress)(void *ctx, int64_t bytes); /* bytes of files so far; may be NULL */
	void *ctx;
};

struct ext4_layer_found {
	int absent;    /* there is no such folder, and nothing is written */
	int has_fstab; /* of a root: its EXT4_LAYER_FSTAB, which names devices, has another name now */
};

#define EXT4_LAYER_FSTAB       "etc/fstab"
#define EXT4_LAYER_FSTAB_AFTER "etc/fstab.imported"

/* Errors as ext4_reader_send(). */
int ext4_layer_write(const struct ext4_layer_source *source, int out, struct ext4_layer_found *ret,
		     struct err *err);

/* Has the file system's root what systems have: os-release, or /sbin/init? 0 also where it cannot be read. */
int ext4_layer_has_system(const struct ext4_layer_source *source);

#endif
