/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_COPY_UP_H
#define BASE_COPY_UP_H

/*
 * Copies what is in the folder `from` into the folder `to`, which is empty: owners, modes, times, links that are
 * symbolic, special files as far as they can be made. Other file systems below are left out, and so is what lies
 * deeper than COPY_UP_DEPTH_MAX. `from` is hostile: nothing of it is followed. Returns 0 or -errno.
 */
#define COPY_UP_DEPTH_MAX 64

int copy_up(int from, int to);

/*
 * The same for a folder that may have something in it already, and then stays as it is. If it is killed, the next call
 * goes on; nothing that others have put there meanwhile is lost. Who comes second waits, and then sees all of it: by
 * flock(2), which a guest's kernel keeps to itself. So who lets a guest fill a folder claims it for it first.
 */
int copy_up_fill(int from, int to);

/* Waits for who fills the folder. 1: it is to be filled, by nobody else for as long as this descriptor is open; 0: it is not. */
int copy_up_claim(int folder);
/* The same without waiting: -EAGAIN: somebody else fills it just now. */
int copy_up_claim_now(int folder);

#endif
