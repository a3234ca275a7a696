/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_OUTPUT_H
#define BASE_OUTPUT_H

#include "base/err.h"

/*
 * A file that a user wants something written to: it is there as a whole or not at all, and one that was there is
 * replaced as a whole. A pipe or a device is just written to.
 */
struct output {
	int fd;
	char *path, *name; /* name: what it is called until it is whole; NULL: it is no file */
};

#define OUTPUT_INIT ((struct output){ .fd = -EBADF })

/*
 * A new file is for its owner alone. It has no name until it is whole where the file system can do so: then nothing is
 * left of it if we are killed.
 */
int output_open(const char *path, struct output *ret, struct err *err);
/* Syncs it and gives it its name. */
int output_publish(struct output *output, struct err *err);
/* What was not published goes. */
void output_release(struct output *output);
#define _cleanup_output_ _cleanup_(output_release)

#endif
