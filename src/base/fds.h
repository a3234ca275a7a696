/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_FDS_H
#define BASE_FDS_H

#include <stddef.h>

#include "base/take.h"

/* Many descriptors at once, by close_range(2): what is made one after the other has numbers in a row. */

/* Closes them; negative ones are nothing. The array is sorted, and all -EBADF then. errno stays. */
void fds_close(int *fds, size_t n);

/*
 * Descriptors that are done with, and closed together: at the end of the scope (_cleanup_fds_), or earlier when there
 * are FDS_MAX of them.
 */
#define FDS_MAX 32
struct fds {
	int list[FDS_MAX];
	size_t n;
};
#define FDS_INIT ((struct fds){ .n = 0 })

/* Takes the descriptor over; nothing if it is negative. Returns it. */
int fds_add(struct fds *fds, int fd);
void fds_release(struct fds *fds);
#define _cleanup_fds_ _cleanup_(fds_release)

#endif
