/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_STREAM_H
#define BASE_STREAM_H

#include "base/buf.h"
#include "base/loop.h"

/* A stream socket in an event loop, with what came and what waits to go. How much may wait is its user's. */
struct stream {
	int fd;
	struct loop_source *source; /* NULL: not watched any more */
	struct buf in, out;
};

/* Takes fd over, even when it fails, and watches it for input. */
int stream_init(struct stream *stream, struct loop *loop, int fd, loop_fd_fn fn, void *ctx,
		struct err *err);
void stream_release(struct stream *stream);

/* Stops watching; what there is can still be read. */
void stream_unwatch(struct stream *stream);

/* Sends of out what the socket takes now; -errno if the other side is gone. */
int stream_flush(struct stream *stream);
/* Adds at most max bytes to in: 1 if there were any, 0 if there are none now, -EPIPE at the end, -errno. */
int stream_fill(struct stream *stream, size_t max);

#endif
