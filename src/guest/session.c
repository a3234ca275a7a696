// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Life: launching -> (STARTED) running -> exited -> ended; a launch that fails goes to its end without
 * STARTED. The end is EXIT, or ERROR if the launch or the work reported one.
 *
 * Invariants:
 *  1. OUT and ERR are sent only after STARTED, and never beyond the credit of the other side; while the
 *     port is full nothing is read from the process.
 *  2. Of IN no more than MESSAGE_WINDOW is kept; what the process has taken, or can never take, is
 *     given back by CREDIT_IN.
 *  3. The end comes when the process was reaped, its launch has reported everything, and its output is
 *     at its end. Output that a process left behind holds open is waited for SESSION_DRAIN_MS at most,
 *     but what was in it when the process ended is always sent.
 *  4. After CLOSE no output is sent; it is read and thrown away, so that the process can end. The end
 *     is told all the same, since only it frees the channel.
 *  5. Before STARTED nothing but ERROR is sent: what comes as input until then waits.
 */
#include "guest/session.h"
#include "base/buf.h"
#include "base/mem.h"
#include "guest/terminal.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#define SESSION_DRAIN_MS 1000

/* CREDIT_IN is sent for at least this much at once, or when nothing is kept any more. */
#define SESSION_CREDIT_MIN (MESSAGE_WINDOW / 4)

struct session_out {
	struct session *session;
	int fd;
	uint16_t type;
	struct loop_source *source;
	int64_t left; /* after the exit: bytes that must still be sent */
};

struct session {
	struct session_owner owner;
	uint32_t channel;
	pid_t pid; /* 0 once it was reaped: others may get the number */
	int work, closed;

	int status;
	struct loop_source *status_source;
	uint32_t inner_pid;
	int started, exited, done;
	int exit_status;
	struct err err;
	struct loop_source *drain_timer;
	int drained; /* the timer has run out */

	struct session_out out[2];
	size_t credit_out;

	int in, is_terminal;
	uint16_t rows, columns; /* that the client has said; 0: nothing */
	int slave; /* held while the process lives, so that a terminal that is hung up, as a getty does, is not at its end */
	struct loop_source *in_source;
	struct buf in_buf;
	size_t credit_in; /* taken by the process, not yet given back */
	int in_end;
};

static void session_check_end(struct session *session);

static void session_send(struct session *session, uint16_t type, const void *payload, size_t len)
{
	port_send(session->owner.port, session->channel, type, payload, len);
}

static void session_send_u32(struct session *session, uint16_t type, uint32_t value)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u32(&payload, value);
	session_send(session, type, payload.data, payload.len);
}

/* Input */

static size_t session_in_waiting(const struct session *session)
{
	return session->in_buf.len;
}

static void session_in_taken(struct session *session, size_t len)
{
	buf_consume(&session->in_buf, len);
	session->credit_in += len;
	if (!session->started)
		return;
	if (session->credit_in >= SESSION_CREDIT_MIN ||
	    (session->credit_in && !session_in_waiting(session))) {
		session_send_u32(session, MESSAGE_CREDIT_IN, (uint32_t)session->credit_in);
		session->credit_in = 0;
	}
}

/* The process takes no more: what comes is swallowed. */
static void session_in_close(struct session *session)
{
	session->in_source = loop_source_free(session->in_source);
	session->in = fd_close(session->in);
	session->in_end = 1;
	session_in_taken(session, session_in_waiting(session));
}

static void session_in_finish(struct session *session)
{
	char end = '\0';

	if (session->is_terminal)
		end = terminal_eof_character(session->in);
	/* a terminal has no end of input but what its line discipline takes for one */
	if (end && write(session->in, &end, 1) < 0 && errno == EAGAIN)
		return;
	session_in_close(session);
}

static void session_in_write(struct session *session)
{
	if (!session->started)
		return;
	if (session->in < 0) /* it is swallowed */
		session_in_taken(session, session_in_waiting(session));
	while (session->in >= 0 && session_in_waiting(session)) {
		ssize_t n = write(session->in, session->in_buf.data, session_in_waiting(session));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			session_in_close(session);
		else
			session_in_taken(session, (size_t)n);
	}
	if (session->in >= 0 && session->in_end && !session_in_waiting(session))
		session_in_finish(session);
	if (session->in_source)
		loop_source_set_events(session->in_source,
				       session_in_waiting(session) || session->in_end ? EPOLLOUT
										      : 0);
}

static void session_in_event(void *ctx, uint32_t events _unused_)
{
	struct session *session = ctx;

	session_in_write(session);
	port_flush(session->owner.port);
}

static void session_in_open(struct session *session, int fd)
{
	session->in = fd;
	if (fd >= 0)
		session->in_source =
			loop_watch_fd(session->owner.loop, fd, 0, session_in_event, session);
}

static int session_handle_in(struct session *session, const struct frame *frame)
{
	if (frame->len > MESSAGE_WINDOW - session_in_waiting(session) - session->credit_in)
		return -EPROTO;
	buf_add(&session->in_buf, frame->payload, frame->len);
	session_in_write(session);
	return 0;
}

static int session_handle_in_end(struct session *session, const struct frame *frame _unused_)
{
	session->in_end = 1;
	session_in_write(session);
	return 0;
}

/* Output */

static void session_out_update(struct session_out *out)
{
	const struct session *session = out->session;
	int may = session->closed ||
		  (session->started && session->credit_out && !port_is_full(session->owner.port));

	if (out->source)
		loop_source_set_events(out->source, may ? EPOLLIN : 0);
}

static void session_out_update_all(struct session *session)
{
	for (size_t i = 0; i < ARRAY_SIZE(session->out); i++)
		session_out_update(&session->out[i]);
}

static void session_out_close(struct session_out *out)
{
	out->source = loop_source_free(out->source);
	out->fd = fd_close(out->fd);
	out->left = 0;
}

static void session_out_pass(struct session_out *out, const void *data, size_t len)
{
	struct session *session = out->session;

	out->left -= out->left > (int64_t)len ? (int64_t)len : out->left;
	if (session->closed)
		return;
	session_send(session, out->type, data, len);
	session->credit_out -= len;
}

/* Reads until there is nothing, or no more may be sent. */
static void session_out_read(struct session_out *out)
{
	static char data[FRAME_DATA_MAX];
	struct session *session = out->session;

	while (out->fd >= 0 &&
	       (session->closed || (session->credit_out && !port_is_full(session->owner.port)))) {
		size_t max = sizeof(data);
		ssize_t n;

		if (!session->closed && session->credit_out < max)
			max = session->credit_out;
		n = read(out->fd, data, max);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) /* a terminal ends with EIO */
			session_out_close(out);
		else
			session_out_pass(out, data, (size_t)n);
	}
}

static void session_out_event(void *ctx, uint32_t events _unused_)
{
	struct session_out *out = ctx;
	struct session *session = out->session;

	session_out_read(out);
	port_flush(session->owner.port);
	session_out_update_all(session);
	session_check_end(session);
}

static void session_out_open(struct session_out *out, int fd)
{
	struct session *session = out->session;

	out->fd = fd;
	if (fd >= 0)
		out->source = loop_watch_fd(session->owner.loop, fd, 0, session_out_event, out);
}

static int session_handle_credit(struct session *session, const struct frame *frame)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	uint32_t credit = wire_get_u32(&r);

	if (wire_end(&r) < 0 || credit > MESSAGE_WINDOW - session->credit_out)
		return -EPROTO;
	session->credit_out += credit;
	session_out_update_all(session);
	return 0;
}

void session_resume(struct session *session)
{
	session_out_update_all(session);
}

/* The launch */

static void session_terminal(struct session *session, int fd)
{
	int copy = session->in < 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -EBADF;

	/* a second one would be no launch's of ours */
	if (copy < 0 || !session->is_terminal || session->out[0].fd >= 0) {
		fd_close(fd);
		fd_close(copy);
		return;
	}
	session->slave = terminal_open_slave(fd);
	/* said before there was a terminal */
	if (session->rows)
		terminal_resize(fd, session->rows, session->columns);
	session_out_open(&session->out[0], fd);
	session_in_open(session, copy);
}

static void session_start(struct session *session)
{
	if (session->started || err_is_set(&session->err))
		return;
	session->started = 1;
	session_send_u32(session, MESSAGE_STARTED, session->inner_pid);
	session_in_write(session);
	session_out_update_all(session);
}

/* The program or the work has begun, unless it has failed. */
static void session_launched(struct session *session)
{
	session->status_source = loop_source_free(session->status_source);
	session->status = fd_close(session->status);
	session_start(session);
}

static void session_take_report(struct session *session, const struct launch_report *report)
{
	switch (report->event) {
	case LAUNCH_TERMINAL:
		session_terminal(session, report->fd);
		return;
	case LAUNCH_PID:
		session->inner_pid = report->pid;
		if (session->work)
			session_start(session);
		break;
	case LAUNCH_FAILED:
		session->err = report->err;
		if (session->err.code >= 0)
			session->err.code = -EIO;
		break;
	default:
		session_launched(session);
	}
	fd_close(report->fd);
}

static void session_take_reports(struct session *session)
{
	struct launch_report report;

	while (session->status >= 0 && launch_report(session->status, &report))
		session_take_report(session, &report);
}

static void session_status_event(void *ctx, uint32_t events _unused_)
{
	struct session *session = ctx;

	session_take_reports(session);
	port_flush(session->owner.port);
	session_check_end(session);
}

/* The end */

static int session_has_output(const struct session *session)
{
	for (size_t i = 0; i < ARRAY_SIZE(session->out); i++) {
		const struct session_out *out = &session->out[i];

		if (out->fd >= 0 && (!session->drained || out->left > 0))
			return 1;
	}
	return 0;
}

static void session_check_end(struct session *session)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	if (session->done || !session->exited || session->status >= 0)
		return;
	if (!err_is_set(&session->err) && session_has_output(session))
		return;
	session->done = 1;
	if (err_is_set(&session->err)) {
		message_put_error(&payload, &session->err);
		session_send(session, MESSAGE_ERROR, payload.data, payload.len);
	} else {
		session_send_u32(session, MESSAGE_EXIT, (uint32_t)session->exit_status);
	}
	port_flush(session->owner.port);
	session->owner.ended(session->owner.ctx, session);
}

static void session_drained(void *ctx)
{
	struct session *session = ctx;

	session->drained = 1;
	session_check_end(session);
}

void session_exited(struct session *session, int exit_status)
{
	session->exited = 1;
	session->slave = fd_close(session->slave);
	session->pid = 0;
	session->exit_status = exit_status;
	session_take_reports(session);
	if (session->status >= 0)
		session_launched(session); /* nobody is left who could say more */
	for (size_t i = 0; i < ARRAY_SIZE(session->out); i++) {
		struct session_out *out = &session->out[i];
		int left = 0;

		if (out->fd >= 0 && ioctl(out->fd, FIONREAD, &left) == 0)
			out->left = left;
	}
	session->drain_timer = loop_add_timer(session->owner.loop, session_drained, session);
	if (session->drain_timer)
		loop_timer_set(session->drain_timer, SESSION_DRAIN_MS);
	else
		session->drained = 1;
	session_check_end(session);
}

/* Requests */

static int session_handle_signal(struct session *session, const struct frame *frame)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	uint32_t number = wire_get_u32(&r);

	if (wire_end(&r) < 0 || !number || number > (uint32_t)SIGRTMAX)
		return -EPROTO;
	if (session->pid)
		(void)kill(session->pid, (int)number);
	return 0;
}

static int session_handle_resize(struct session *session, const struct frame *frame)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	uint16_t rows = wire_get_u16(&r), columns = wire_get_u16(&r);

	if (wire_end(&r) < 0)
		return -EPROTO;
	session->rows = rows;
	session->columns = columns;
	if (session->is_terminal && session->out[0].fd >= 0)
		terminal_resize(session->out[0].fd, rows, columns);
	return 0;
}

/* The process is the first of its group. Work of ours is of no use without its client. */
static int session_handle_close(struct session *session, const struct frame *frame _unused_)
{
	session->closed = 1;
	if (session->pid)
		(void)kill(session->work ? session->pid : -session->pid,
			   session->work ? SIGKILL : SIGHUP);
	session_in_close(session);
	session_out_update_all(session);
	return 0;
}

struct session_request {
	uint16_t type;
	int (*handle)(struct session *session, const struct frame *frame);
};

static const struct session_request session_requests[] = {
	{ MESSAGE_IN, session_handle_in },
	{ MESSAGE_IN_END, session_handle_in_end },
	{ MESSAGE_CREDIT_OUT, session_handle_credit },
	{ MESSAGE_SIGNAL, session_handle_signal },
	{ MESSAGE_RESIZE, session_handle_resize },
	{ MESSAGE_CLOSE, session_handle_close },
};

int session_handle(struct session *session, const struct frame *frame)
{
	for (size_t i = 0; i < ARRAY_SIZE(session_requests); i++) {
		if (session_requests[i].type == frame->type)
			return session_requests[i].handle(session, frame);
	}
	return -EPROTO;
}

struct session *session_new(const struct session_owner *owner, uint32_t channel,
			    struct launch *launch, int work)
{
	struct session *session = mem_zalloc(sizeof(*session));

	*session = (struct session){ .owner = *owner,
				     .channel = channel,
				     .pid = launch->pid,
				     .work = work,
				     .slave = -EBADF,
				     .status = take_fd(&launch->status),
				     .is_terminal = launch->out < 0,
				     .credit_out = MESSAGE_WINDOW };
	session->out[0] =
		(struct session_out){ .session = session, .fd = -EBADF, .type = MESSAGE_OUT };
	session->out[1] =
		(struct session_out){ .session = session, .fd = -EBADF, .type = MESSAGE_ERR };
	session_out_open(&session->out[0], take_fd(&launch->out));
	session_out_open(&session->out[1], take_fd(&launch->err));
	session_in_open(session, take_fd(&launch->in));
	session->status_source =
		loop_watch_fd(owner->loop, session->status, EPOLLIN, session_status_event, session);
	launch_release(launch);
	return session;
}

struct session *session_free(struct session *session)
{
	if (!session)
		return NULL;
	session_out_close(&session->out[0]);
	session_out_close(&session->out[1]);
	loop_source_free(session->in_source);
	fd_close(session->in);
	fd_close(session->slave);
	loop_source_free(session->status_source);
	fd_close(session->status);
	loop_source_free(session->drain_timer);
	buf_release(&session->in_buf);
	free(session);
	return NULL;
}

uint32_t session_channel(const struct session *session)
{
	return session->channel;
}

pid_t session_pid(const struct session *session)
{
	return session->pid;
}
