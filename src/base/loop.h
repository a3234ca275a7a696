/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"

/*
 * An event loop over epoll, for one thread. Sources belong to the loop's user: free them before the
 * loop, at any time, also from inside their own callback. Callbacks return nothing; a role ends its
 * loop with loop_exit().
 */
struct loop;
struct loop_source;

typedef void (*loop_fd_fn)(void *ctx, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR */
typedef void (*loop_timer_fn)(void *ctx);
typedef void (*loop_signal_fn)(void *ctx, int signal);

int loop_new(struct loop **ret, struct err *err);
void loop_free(struct loop *loop);

/* Runs until loop_exit(), or not at all after an earlier one; returns its value, or -errno if epoll
 * itself fails. May be run again. */
int loop_run(struct loop *loop);
void loop_exit(struct loop *loop, int value);

/*
 * Called around each wait, in the loop's thread: for a lock that is held whenever callbacks run. With one
 * in place, other threads that hold it may call everything here but loop_run() and loop_free().
 */
void loop_set_wait_hooks(struct loop *loop, void (*before)(void *ctx), void (*after)(void *ctx),
			 void *ctx);

/* Watches fd, which stays the caller's and must outlive the source. A regular file counts as always
 * ready. NULL on failure (errno set). */
struct loop_source *loop_watch_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn,
				  void *ctx);
/* Changes what is waited for; 0 waits for nothing (a hang-up is not reported then either). */
void loop_source_set_events(struct loop_source *source, uint32_t events);

/* A one-shot timer, unarmed at first. loop_timer_set() (re)arms it, in milliseconds from now;
 * negative disarms. */
struct loop_source *loop_add_timer(struct loop *loop, loop_timer_fn fn, void *ctx);
void loop_timer_set(struct loop_source *source, int64_t ms);

/* Blocks the signals (ended by 0) in this process and delivers them to fn. A child must restore its
 * mask before exec; sys/child.h and the engines do. */
struct loop_source *loop_watch_signals(struct loop *loop, const int *signals, loop_signal_fn fn,
				       void *ctx);

/* Takes the source out of its loop and frees it. NULL is fine. Returns NULL. */
struct loop_source *loop_source_free(struct loop_source *source);

#endif
