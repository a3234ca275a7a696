// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/vm_relay.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* None of it is an error of ours: who reads or writes at the other side may go when he likes. */
static void vm_relay_close_in(struct vm_relay *relay)
{
	relay->in_source = loop_source_free(relay->in_source);
	relay->in = fd_close(relay->in);
}

static void vm_relay_on_input(void *ctx, uint32_t events _unused_)
{
	struct vm_relay *relay = ctx;
	size_t room = relay->ops->room(relay->ctx);
	char bytes[PIPE_BUF];
	ssize_t n;

	if (!room) {
		loop_source_set_events(relay->in_source, 0);
		return;
	}
	n = read(relay->in, bytes, room < sizeof(bytes) ? room : sizeof(bytes));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		relay->ops->input(relay->ctx, bytes, (size_t)n);
		return;
	}
	vm_relay_close_in(relay);
	relay->ops->input_end(relay->ctx);
}

static int vm_relay_is_drained(const struct vm_relay *relay)
{
	return !relay->out[0].buf.len && !relay->out[1].buf.len;
}

static void vm_relay_stop_out(struct vm_relay_out *out)
{
	size_t len = out->buf.len;

	out->source = loop_source_free(out->source);
	out->fd = fd_close(out->fd);
	buf_release(&out->buf);
	if (len)
		out->relay->ops->consumed(out->relay->ctx, len);
}

static void vm_relay_on_output(void *ctx, uint32_t events _unused_)
{
	struct vm_relay_out *out = ctx;
	struct vm_relay *relay = out->relay;
	size_t len = out->buf.len < PIPE_BUF ? out->buf.len : PIPE_BUF;
	ssize_t n = len ? write(out->fd, out->buf.data, len) : 0;

	if (n < 0 && errno != EINTR && errno != EAGAIN) {
		vm_relay_stop_out(out);
	} else if (n > 0) {
		buf_consume(&out->buf, (size_t)n);
		relay->ops->consumed(relay->ctx, (size_t)n);
	}
	if (out->source && !out->buf.len)
		loop_source_set_events(out->source, 0);
	if (relay->finishing && vm_relay_is_drained(relay))
		relay->ops->drained(relay->ctx);
}

int vm_relay_init(struct vm_relay *relay, struct loop *loop, int stdio[3],
		  const struct vm_relay_ops *ops, void *ctx, struct err *err)
{
	*relay = (struct vm_relay){ .ops = ops, .ctx = ctx, .in = take_fd(&stdio[0]) };
	for (int i = 0; i < 2; i++) {
		relay->out[i].relay = relay;
		relay->out[i].fd = take_fd(&stdio[i + 1]);
	}
	if (relay->in >= 0)
		relay->in_source = loop_watch_fd(loop, relay->in, 0, vm_relay_on_input, relay);
	for (int i = 0; i < 2; i++) {
		if (relay->out[i].fd >= 0)
			relay->out[i].source = loop_watch_fd(loop, relay->out[i].fd, 0,
							     vm_relay_on_output, &relay->out[i]);
		if (relay->out[i].fd >= 0 && !relay->out[i].source)
			return err_errno(err, -errno, "cannot watch an output stream");
	}
	if (relay->in >= 0 && !relay->in_source)
		return err_errno(err, -errno, "cannot watch the input stream");
	return 0;
}

void vm_relay_start(struct vm_relay *relay)
{
	if (relay->in_source)
		loop_source_set_events(relay->in_source, EPOLLIN);
	else
		relay->ops->input_end(relay->ctx);
}

void vm_relay_output(struct vm_relay *relay, int is_error, const void *data, size_t len)
{
	struct vm_relay_out *out = &relay->out[!!is_error];

	if (!out->source) {
		relay->ops->consumed(relay->ctx, len);
		return;
	}
	buf_add(&out->buf, data, len);
	loop_source_set_events(out->source, EPOLLOUT);
}

void vm_relay_writable(struct vm_relay *relay)
{
	if (relay->in_source)
		loop_source_set_events(relay->in_source, EPOLLIN);
}

void vm_relay_finish(struct vm_relay *relay)
{
	relay->finishing = 1;
	vm_relay_close_in(relay);
	if (vm_relay_is_drained(relay))
		relay->ops->drained(relay->ctx);
}

void vm_relay_release(struct vm_relay *relay)
{
	vm_relay_close_in(relay);
	for (int i = 0; i < 2; i++) {
		relay->out[i].source = loop_source_free(relay->out[i].source);
		relay->out[i].fd = fd_close(relay->out[i].fd);
		buf_release(&relay->out[i].buf);
	}
}
