/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_CARRY_H
#define IMAGE_CARRY_H

#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"

/*
 * What an instance has written (see INSTANCE_UPPER), from one form to the other. The new form is made in the folder
 * work, which nobody but root may enter and which the caller removes if it fails; the old one is left as it is.
 * progress may be NULL, and a user's is not told.
 */

/*
 * A folder of what is in a VM's disk. The disk is the guest's, so its file system is read in user space by a process
 * with no right to anything, and never mounted. One that was not unmounted is repaired first, in a copy.
 * If the VM has written nothing yet, no folder is made.
 */
int carry_from_disk(const char *disk, const char *work, progress_fn progress, void *ctx,
		    struct err *err);

/*
 * A disk of at least size bytes of the folder in `state`. The file system is fresh and nobody else's, so the kernel
 * writes it: mounted where nobody sees it. A user may not mount it, so mke2fs(8) does. cache: see ext4_create().
 */
int carry_to_disk(const char *state, const char *work, const char *cache, int64_t size,
		  progress_fn progress, void *ctx, struct err *err);

/* How many bytes can be written to the folder's file system without filling it to the last; -ENOSPC if there are none. */
int carry_room(int dirfd, int64_t *ret, struct err *err);

#endif
