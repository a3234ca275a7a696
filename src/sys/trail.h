/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_TRAIL_H
#define SYS_TRAIL_H

#include <errno.h>

/*
 * Files whose last close takes the kernel long, for it waits until no CPU can be looking at them: grace periods of some
 * 10 ms each. A process that holds such a file ends that much later, and whoever waits for its end waits as
 * well. Here the kernel holds the file, too: a ring of io_uring in which it is registered. A ring is taken apart by a thread of
 * the kernel's when nobody has it any more, however its process ended, and then the file's last close is there. So it
 * is of what is swept out of a ring.
 *
 * A kernel that has no io_uring, or does not let it be used, is as it was: add does nothing.
 */
/* More are not held. */
#define TRAIL_MAX 512

struct trail {
	int ring;
	unsigned int n;
	int held[TRAIL_MAX]; /* by place in the ring; negative: free */
};
#define TRAIL_INIT ((struct trail){ .ring = -EBADF })

void trail_open(struct trail *trail);
/* fd stays the caller's, to close as ever. One that is negative, or a trail that is not open, is fine. */
void trail_add(struct trail *trail, int fd);
/* Lets go of what the caller has closed; for that it must not have opened others meanwhile. */
void trail_sweep(struct trail *trail);
/* What it held goes soon, though not yet. */
void trail_close(struct trail *trail);

/* Closes fd, of which the last close is the kernel thread's then, where that can be. */
void trail_drop(int fd);

#endif
