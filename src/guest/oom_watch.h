/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_OOM_WATCH_H
#define GUEST_OOM_WATCH_H

#include "base/loop.h"

/*
 * Hears of the processes that this machine's kernel kills for want of memory, whose ever they are: tell() gets the kernel's line (proto/oom.h).
 * NULL: the kernel does not say.
 */
struct oom_watch;

struct oom_watch *oom_watch(struct loop *loop, void (*tell)(void *ctx, const char *line),
			    void *ctx);
void oom_watch_free(struct oom_watch *watch); /* NULL is fine */

#endif
