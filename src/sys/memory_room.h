/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_MEMORY_ROOM_H
#define SYS_MEMORY_ROOM_H

#include <stdint.h>

/*
 * How many bytes of memory we may take before somebody has to give up what he uses: the host's MemAvailable, or
 * what the limits of our control group and of those above it leave, whichever is less. File pages of the group that nobody
 * has used of late count as free. 0: none, or nothing is known.
 */
int64_t memory_room(void);

/* The same of a host whose /proc and /sys are in this folder. */
int64_t memory_room_in(const char *host);

#endif
