/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_SPAWN_H
#define SYS_SPAWN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* A process as clone3(2) makes it: the pieces that the engines put together. */

/*
 * Forks with CLONE_* flags, into a version 2 cgroup's folder (or -EBADF). Returns as fork() does, with
 * -errno; *ret_pidfd is set in the parent. Signal handlers are the defaults in the child.
 */
pid_t spawn_clone(uint64_t flags, int into_cgroup, int *ret_pidfd);

/*
 * The same, but the child calls fn, which does not return, and shares our memory, as after vfork(2), where that can be
 * had; we stand still until it executes a program or ends. Nothing is copied then, and no page touched for a second
 * time. What fn changes in memory is changed for us, too: it must close no descriptor by a variable of ours, and read
 * bytes of outsiders only with as much privilege as we have. One that is killed meanwhile may leave the heap torn: what
 * is left for us to do is to say so and end. It may be in no user or time namespace of its own (setns(2)).
 */
pid_t spawn_call(uint64_t flags, int into_cgroup, void (*fn)(void *ctx), void *ctx, int *ret_pidfd);

/* Waits for the child behind pidfd; its status as a shell would say it: 0-255, 128+N for signal N. */
int spawn_wait(int pidfd);

/* Closes every descriptor from `first` up (3: all but the standard streams) but those in keep (negative ones are
 * nothing), which is sorted. */
int spawn_close_others(unsigned int first, int *keep, size_t n);

/* Unblocks all signals and gives those their default action that we ignore. */
void spawn_reset_signals(void);

/* A fork shows the command line and the environment of its parent; this blanks them, in this process alone.
 * Nothing may point into main's argv or use getenv() any more. */
void spawn_hide_arguments(void);

/*
 * One message with at most one descriptor over a SOCK_SEQPACKET pair; over a stream it comes with the first bytes of the
 * message. Receiving: bytes received, 0 at the end, -errno; *ret_fd is -EBADF if none came. flags: MSG_DONTWAIT or 0.
 */
int spawn_send(int sock, const void *data, size_t len, int fd);
ssize_t spawn_receive(int sock, void *data, size_t size, int *ret_fd, int flags);

#endif
