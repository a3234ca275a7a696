// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Invariants:
 *  1. What waits to be sent stays within PORT_FULL plus the answers to one read: while the port is
 *     full, nothing is read from it, and sessions do not send.
 *  2. What was received but not yet handled is less than one frame.
 */
#include "guest/port.h"
#include "base/buf.h"
#include "base/mem.h"

#include <fcntl.h>

/* enough for the host to be busy with while we are; more only delays other sessions */
#define PORT_FULL (128U << 10)
/* a page is what one read from a virtio-serial port gives */
#define PORT_READ (64U << 10)

struct port {
	int fd;
	struct loop_source *source;
	const struct port_ops *ops;
	void *ctx;
	struct buf in, out;
	size_t sent; /* of out */
	int was_full, closed;
};

static size_t port_waiting(const struct port *port)
{
	return port->out.len - port->sent;
}

int port_is_full(const struct port *port)
{
	return port_waiting(port) >= PORT_FULL;
}

static void port_close(struct port *port, int error)
{
	if (port->closed)
		return;
	port->closed = 1;
	loop_source_set_events(port->source, 0);
	port->ops->closed(port->ctx, error);
}

static void port_update(struct port *port)
{
	uint32_t events = 0;

	if (port->closed)
		return;
	if (!port_is_full(port))
		events |= EPOLLIN;
	if (port_waiting(port))
		events |= EPOLLOUT;
	loop_source_set_events(port->source, events);
}

void port_send(struct port *port, uint32_t channel, uint16_t type, const void *payload, size_t len)
{
	frame_put(&port->out, channel, type, payload, len);
	if (port_is_full(port))
		port->was_full = 1;
}

void port_flush(struct port *port)
{
	while (port_waiting(port) && !port->closed) {
		ssize_t n = write(port->fd, port->out.data + port->sent, port_waiting(port));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			port_close(port, errno == EPIPE ? 0 : -errno);
		if (n <= 0)
			break;
		port->sent += (size_t)n;
	}
	if (!port_waiting(port))
		port->sent = port->out.len = 0;
	if (port->was_full && !port_is_full(port)) {
		port->was_full = 0;
		port->ops->drained(port->ctx);
	}
	port_update(port);
}

static void port_handle(struct port *port)
{
	struct frame frame;
	size_t done = 0;
	int r = 0;

	while (!port->closed &&
	       (r = frame_parse(port->in.data + done, port->in.len - done, &frame)) > 0) {
		done += FRAME_HEADER_SIZE + frame.len;
		port->ops->frame(port->ctx, &frame);
	}
	buf_consume(&port->in, done);
	if (r < 0)
		port_close(port, r);
}

static void port_read(struct port *port)
{
	size_t end = port->in.len + PORT_READ;
	ssize_t n = 1;

	buf_reserve(&port->in, PORT_READ);
	while (n > 0 && port->in.len < end) {
		n = read(port->fd, port->in.data + port->in.len, end - port->in.len);
		if (n > 0)
			port->in.len += (size_t)n;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		port_close(port, -errno);
		return;
	}
	port_handle(port);
	if (n == 0)
		port_close(port, 0);
}

static void port_event(void *ctx, uint32_t events)
{
	struct port *port = ctx;

	if (events & EPOLLOUT)
		port_flush(port);
	if (events & EPOLLIN)
		port_read(port);
	else if (events & (EPOLLHUP | EPOLLERR))
		port_close(port, 0);
	port_flush(port);
}

int port_new(struct loop *loop, int fd, const struct port_ops *ops, void *ctx, struct port **ret,
	     struct err *err)
{
	int flags = fcntl(fd, F_GETFL);
	struct port *port;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_errno(err, -errno, "cannot use the port");
	port = mem_zalloc(sizeof(*port));
	*port = (struct port){ .fd = fd, .ops = ops, .ctx = ctx };
	port->source = loop_watch_fd(loop, fd, EPOLLIN, port_event, port);
	if (!port->source) {
		int r = err_errno(err, -errno, "cannot watch the port");

		free(port);
		return r;
	}
	*ret = port;
	return 0;
}

struct port *port_free(struct port *port)
{
	if (!port)
		return NULL;
	loop_source_free(port->source);
	buf_release(&port->in);
	buf_release(&port->out);
	free(port);
	return NULL;
}
