/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_DISKUSE_H
#define SYS_DISKUSE_H

#include <stdint.h>

/* What files take on the disk: allocated blocks, so that holes are nothing, and a file with several names once. */
struct diskuse {
	int64_t bytes;
	void *seen; /* files with several names, by inode; tsearch(3) */
};

#define _cleanup_diskuse_ _cleanup_(diskuse_release)
void diskuse_release(struct diskuse *diskuse);

/*
 * Adds a file, or a folder with all below it on the same file system; no link is followed. One that is not there is
 * nothing. A user's are looked at as root of his user namespace, which his containers' are too. What cannot be read
 * does not count. Changes the calling process's working folder meanwhile.
 */
void diskuse_add(struct diskuse *diskuse, const char *path);

#endif
