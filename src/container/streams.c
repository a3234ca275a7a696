// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Invariants:
 *  1. unconsumed <= MESSAGE_WINDOW; at the bound no output is read, and consumption starts it again.
 *  2. While the workload may live, a terminal is never seen hanging up, since we hold its slave; from
 *     streams_finish() on we do not, and "nothing there" is the end: nobody is left who could write.
 *  3. ops are called from the loop or from within a call of ours, and may call back into any function
 *     here but streams_release().
 */
#include "container/streams.h"
#include "proto/message.h"
#include "sys/pty.h"

#include <fcntl.h>
#include <string.h>
#include <termios.h>

static void streams_out_close(struct streams_out *out)
{
	out->source = loop_source_free(out->source);
	out->fd = fd_close(out->fd);
}

static void streams_in_close(struct streams *streams)
{
	streams->in_source = loop_source_free(streams->in_source);
	streams->in_fd = fd_close(streams->in_fd);
	streams->in_open = 0;
	buf_release(&streams->in);
}

static void streams_update(struct streams *streams)
{
	uint32_t events = streams->unconsumed < MESSAGE_WINDOW ? EPOLLIN : 0;

	for (int i = 0; i < 2; i++) {
		if (streams->out[i].source)
			loop_source_set_events(streams->out[i].source, events);
	}
}

/* One read: 1 if something came, 0 if there is nothing now, -errno at the end (-EPIPE). */
static int streams_read(struct streams_out *out)
{
	struct streams *streams = out->streams;
	size_t window = MESSAGE_WINDOW - streams->unconsumed;
	char data[FRAME_DATA_MAX];
	ssize_t n = read(out->fd, data, window < sizeof(data) ? window : sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -EPIPE;
	streams->unconsumed += (size_t)n;
	streams->ops->output(streams->ctx, out->type, data, (size_t)n);
	return 1;
}

/* Reads on without waiting, once nobody writes any more. */
static void streams_pump(struct streams *streams)
{
	int left = 0;

	if (streams->pumping)
		return;
	streams->pumping = 1;
	for (int i = 0; i < 2; i++) {
		struct streams_out *out = &streams->out[i];
		int r = 1;

		while (out->fd >= 0 && r > 0 && streams->unconsumed < MESSAGE_WINDOW)
			r = streams_read(out);
		if (r <= 0)
			streams_out_close(out);
		left += out->fd >= 0;
	}
	streams->pumping = 0;
	if (!left) {
		streams->finishing = 0;
		streams->ops->drained(streams->ctx);
	}
}

static void streams_on_output(void *ctx, uint32_t events)
{
	struct streams_out *out = ctx;
	struct streams *streams = out->streams;

	(void)events;
	if (streams->finishing) {
		streams_pump(streams);
		return;
	}
	if (streams->unconsumed < MESSAGE_WINDOW && streams_read(out) < 0)
		streams_out_close(out);
	streams_update(streams);
}

/* A terminal has no end of its own: the character that says so ends a line-wise reader's input. */
static void streams_in_finish(struct streams *streams)
{
	struct termios modes;

	if (!streams->is_terminal) {
		streams_in_close(streams);
		return;
	}
	streams->in_ending = 0;
	if (tcgetattr(streams->in_fd, &modes) == 0 && (modes.c_lflag & ICANON) &&
	    write(streams->in_fd, &modes.c_cc[VEOF], 1) < 0)
		return;
}

static void streams_flush(struct streams *streams)
{
	while (streams->in.len && streams->in_fd >= 0) {
		ssize_t n = write(streams->in_fd, streams->in.data, streams->in.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			streams_in_close(streams); /* nobody reads it: what comes is dropped */
		else
			buf_consume(&streams->in, (size_t)n);
	}
	if (!streams->in.len && streams->in_ending && streams->in_fd >= 0)
		streams_in_finish(streams);
	if (streams->in_source)
		loop_source_set_events(streams->in_source, streams->in.len ? EPOLLOUT : 0);
}

static void streams_on_input(void *ctx, uint32_t events)
{
	struct streams *streams = ctx;

	(void)events;
	streams_flush(streams);
	if (streams->in_starved && streams_room(streams) >= FRAME_DATA_MAX) {
		streams->in_starved = 0;
		streams->ops->writable(streams->ctx);
	}
}

static int streams_watch_out(struct streams *streams, int i, int fd, uint16_t type)
{
	struct streams_out *out = &streams->out[i];

	out->fd = fd;
	out->type = type;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	out->source = loop_watch_fd(streams->loop, fd, EPOLLIN, streams_on_output, out);
	return out->source ? 0 : -errno;
}

static int streams_watch_in(struct streams *streams, int fd)
{
	streams->in_fd = fd;
	streams->in_source = loop_watch_fd(streams->loop, fd, 0, streams_on_input, streams);
	if (!streams->in_source)
		return -errno;
	streams_flush(streams);
	return 0;
}

int streams_init(struct streams *streams, struct loop *loop, const struct streams_ops *ops,
		 void *ctx, int stdio[3], int terminal, struct err *err)
{
	int r = 0;

	*streams = (struct streams){
		.loop = loop,
		.ops = ops,
		.ctx = ctx,
		.in_fd = -EBADF,
		.slave = -EBADF,
		.is_terminal = terminal,
		.in_open = terminal || stdio[0] >= 0,
	};
	for (int i = 0; i < 2; i++)
		streams->out[i] = (struct streams_out){ .streams = streams, .fd = -EBADF };
	if (stdio[0] >= 0)
		r = streams_watch_in(streams, take_fd(&stdio[0]));
	if (r == 0 && stdio[1] >= 0)
		r = streams_watch_out(streams, 0, take_fd(&stdio[1]), MESSAGE_OUT);
	if (r == 0 && stdio[2] >= 0)
		r = streams_watch_out(streams, 1, take_fd(&stdio[2]), MESSAGE_ERR);
	return r < 0 ? err_errno(err, r, "cannot watch the container's streams") : 0;
}

void streams_release(struct streams *streams)
{
	if (!streams->loop)
		return;
	streams_in_close(streams);
	for (int i = 0; i < 2; i++)
		streams_out_close(&streams->out[i]);
	streams->slave = fd_close(streams->slave);
	streams->loop = NULL;
}

int streams_set_terminal(struct streams *streams, int master, struct err *err)
{
	int in = fcntl(master, F_DUPFD_CLOEXEC, 3);
	int r;

	streams->slave = pty_open_slave(master);
	if (streams->rows || streams->columns)
		(void)pty_resize(master, streams->rows, streams->columns);
	r = streams_watch_out(streams, 0, master, MESSAGE_OUT);
	if (r == 0)
		r = in < 0 ? -errno : streams_watch_in(streams, in);
	return r < 0 ? err_errno(err, r, "cannot watch the container's terminal") : 0;
}

size_t streams_room(const struct streams *streams)
{
	return streams->in_open ? MESSAGE_WINDOW - streams->in.len : MESSAGE_WINDOW;
}

void streams_input(struct streams *streams, const void *data, size_t len)
{
	if (!streams->in_open || streams->in_ending || len > streams_room(streams))
		return;
	buf_add(&streams->in, data, len);
	streams_flush(streams);
	streams->in_starved = streams_room(streams) < FRAME_DATA_MAX;
}

void streams_input_end(struct streams *streams)
{
	if (!streams->in_open)
		return;
	streams->in_ending = 1;
	streams_flush(streams);
}

void streams_resize(struct streams *streams, uint16_t rows, uint16_t columns)
{
	streams->rows = rows;
	streams->columns = columns;
	if (streams->is_terminal && streams->out[0].fd >= 0)
		(void)pty_resize(streams->out[0].fd, rows, columns);
}

void streams_consumed(struct streams *streams, size_t len)
{
	streams->unconsumed -= len < streams->unconsumed ? len : streams->unconsumed;
	if (streams->finishing)
		streams_pump(streams);
	else
		streams_update(streams);
}

void streams_finish(struct streams *streams)
{
	streams->slave = fd_close(streams->slave);
	streams->finishing = 1;
	streams_in_close(streams);
	streams_pump(streams);
}
