/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_LOWER_H
#define IMAGE_LOWER_H

#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/strv.h"

/*
 * A folder of an image as overlayfs shows it, without any overlay mounted: the folders that make it up in the layers,
 * the topmost first. Marks of both kinds are honoured, root's and a user's.
 */
struct lower {
	int *fds;
	size_t n; /* 0: there is no such folder */
};

void lower_release(struct lower *lower);
#define _cleanup_lower_ _cleanup_(lower_release)

/* The image's root; layers: diff ids, the lowest first. A user calls this as root of his user namespace. */
int lower_open(const char *root, char *const *layers, struct lower *ret, struct err *err);

/* Of what is in the folder. 1, or 0: there is none; or -errno. */
int lower_stat(const struct lower *lower, const char *name, struct stat *ret);
/* The folder that is in there; without any n is 0. 0 or -errno. */
int lower_enter(const struct lower *lower, const char *name, struct lower *ret);
/* Appends all names, some more than once, and such as a layer above has deleted. 0 or -errno. */
int lower_names(const struct lower *lower, char ***names);

#endif
