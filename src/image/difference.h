/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_DIFFERENCE_H
#define IMAGE_DIFFERENCE_H

#include "base/err.h"
#include "base/strv.h"

/*
 * What differs between two states of an instance, by what is noted of its files: two of the same type, size, owner,
 * mode, attributes and time of change (to the nanosecond) count as the same, and no contents are read. A file of
 * the image's that was copied up counts as changed; a folder does if it is itself not as it was.
 */

/* A state: an open folder that has INSTANCE_UPPER, or INSTANCE_DISK, or neither: then it is what the image has. */
struct difference {
	const char *root;    /* where the layers are */
	char *const *layers; /* of the image, diff ids, the lowest first */
	int before, after;   /* states; before negative: the image */
};

#define DIFFERENCE_ADDED   'A'
#define DIFFERENCE_CHANGED 'C'
#define DIFFERENCE_REMOVED 'D'

/*
 * path begins with a slash; below a removed folder nothing is told, below an added one everything. By name, a folder
 * before what is in it. A disk is read by a process with no right to anything, and has to be one that was
 * unmounted, or frozen: else -EUCLEAN.
 */
int difference_each(const struct difference *difference,
		    int (*each)(char change, const char *path, void *ctx), void *ctx,
		    struct err *err);

#endif
