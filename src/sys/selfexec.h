/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_SELFEXEC_H
#define SYS_SELFEXEC_H

#include "base/err.h"

/*
 * For a process that joins a container, or becomes one, and is not watched over by a keeper: whoever is inside may
 * come by its /proc/PID/exe, and once nobody executes the program any more, could write to its file
 * (CVE-2019-5736). So the program is executed once more, from where nothing can be written: a read-only view of its
 * file that is mounted nowhere, or, without the right to make one, a sealed copy in memory.
 *
 * argv: as main() got it. Returns 0 in a process that runs from such a place already, and -errno if none can be
 * had; else not at all.
 */
int selfexec_protect(char **argv, struct err *err);

/*
 * Closes the view's descriptor, if it came along: the mount is then in use no more but by the program, and taking it
 * down waits for an RCU grace period (0.1 to 0.2 ms). So: while there is nothing to do but to wait. Until then it is
 * closed by an execve() alone.
 */
void selfexec_release(void);

/* The same in a child, which may share our memory (spawn_call()): there is no waiting for a copy of the descriptor. */
void selfexec_leave(void);

#endif
