// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/stream.h"

#include <sys/socket.h>

int stream_init(struct stream *stream, struct loop *loop, int fd, loop_fd_fn fn, void *ctx,
		struct err *err)
{
	int r = 0;

	*stream = (struct stream){ .fd = fd };
	stream->source = loop_watch_fd(loop, fd, EPOLLIN, fn, ctx);
	if (!stream->source) {
		r = err_errno(err, -errno, "cannot watch a socket");
		stream_release(stream);
	}
	return r;
}

void stream_release(struct stream *stream)
{
	stream_unwatch(stream);
	stream->fd = fd_close(stream->fd);
	buf_release(&stream->in);
	buf_release(&stream->out);
}

void stream_unwatch(struct stream *stream)
{
	stream->source = loop_source_free(stream->source);
}

int stream_flush(struct stream *stream)
{
	size_t sent = 0;
	int r = 0;

	while (sent < stream->out.len) {
		ssize_t n = send(stream->fd, stream->out.data + sent, stream->out.len - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = errno == EAGAIN ? 0 : -errno;
			break;
		}
		sent += (size_t)n;
	}
	buf_consume(&stream->out, sent);
	return r;
}

int stream_fill(struct stream *stream, size_t max)
{
	ssize_t n;

	buf_reserve(&stream->in, max);
	n = recv(stream->fd, stream->in.data + stream->in.len, max, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -EPIPE;
	stream->in.len += (size_t)n;
	stream->in.data[stream->in.len] = '\0';
	return 1;
}
