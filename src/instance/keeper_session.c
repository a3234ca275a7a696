// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The keeper's clients. One connection is one session: it begins with a request, which decides its kind,
 * and from then on carries frames both ways. Invariants:
 *  1. A client that does not read holds up only what it asked for: its process (PROCESS) or the
 *     workload's output (ATTACHED), never the keeper or another session.
 *  2. A client that breaks the protocol loses its connection, nothing else.
 *  3. A session is freed only from its own loop callback and at the keeper's end, since a driver may
 *     deliver or ask for input while one is being handled. One that is to go is marked closing.
 */
#include "base/mem.h"
#include "instance/keeper-internal.h"
#include "proto/wire.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* An attached client that is further behind than this holds up the workload's output. */
#define KEEPER_SESSION_LAG_MAX (MESSAGE_WINDOW / 2)
#define KEEPER_SESSION_READ    (16U << 10)
/* How long the last words wait for a client that does not read. */
#define KEEPER_SESSION_LAST_MS 5000

static void keeper_session_free(struct keeper_session *session)
{
	struct keeper *keeper = session->keeper;
	struct keeper_session **at = &keeper->sessions;

	while (*at != session)
		at = &(*at)->next;
	*at = session->next;
	if (session->kind == KEEPER_SESSION_PROCESS && session->channel && keeper->driver) {
		keeper->ops->consumed(keeper->driver, session->channel, session->unconsumed);
		keeper->ops->send(keeper->driver, session->channel, MESSAGE_CLOSE, NULL, 0);
	}
	if (session->holds)
		keeper_hold_end(keeper);
	if (keeper->change.session == session)
		keeper->change.session = NULL;
	stream_release(&session->stream);
	fd_close(session->lock);
	free(session);
	keeper_session_settle(keeper);
}

/* True while the session's next frame can be handled: input must fit what its channel takes. */
static int keeper_session_has_room(const struct keeper_session *session)
{
	struct keeper *keeper = session->keeper;

	if (session->kind != KEEPER_SESSION_ATTACHED && session->kind != KEEPER_SESSION_PROCESS)
		return 1;
	if (!keeper->driver)
		return 1;
	return keeper->ops->room(keeper->driver, session->channel) >= FRAME_DATA_MAX;
}

static void keeper_session_watch(struct keeper_session *session)
{
	uint32_t events = 0;

	if (!session->closing && keeper_session_has_room(session))
		events |= EPOLLIN;
	if (session->stream.out.len || session->closing)
		events |= EPOLLOUT;
	loop_source_set_events(session->stream.source, events);
}

/* Gives a process session's output back to the driver once it is on its way. */
static void keeper_session_settle_process(struct keeper_session *session)
{
	struct keeper *keeper = session->keeper;
	size_t len = session->unconsumed;

	if (session->kind != KEEPER_SESSION_PROCESS || !len || !keeper->driver ||
	    session->stream.out.len > KEEPER_SESSION_LAG_MAX)
		return;
	session->unconsumed = 0;
	keeper->ops->consumed(keeper->driver, session->channel, len);
}

void keeper_session_settle(struct keeper *keeper)
{
	size_t len = keeper->unconsumed;

	if (!len || !keeper->driver)
		return;
	for (struct keeper_session *s = keeper->sessions; s; s = s->next) {
		if (s->kind == KEEPER_SESSION_ATTACHED &&
		    s->stream.out.len > KEEPER_SESSION_LAG_MAX)
			return;
	}
	keeper->unconsumed = 0;
	keeper->ops->consumed(keeper->driver, 0, len);
}

void keeper_session_put(struct keeper_session *session, uint16_t type, const void *payload,
			size_t len)
{
	frame_put(&session->stream.out, 0, type, payload, len);
	if (stream_flush(&session->stream) < 0) {
		/* the reading side notices the end, and frees */
		session->stream.out.len = 0;
		session->closing = 1;
		(void)shutdown(session->stream.fd, SHUT_RDWR);
	}
	keeper_session_watch(session);
}

void keeper_session_put_attached(struct keeper *keeper, uint16_t type, const void *payload,
				 size_t len)
{
	int is_output = type == MESSAGE_OUT || type == MESSAGE_ERR;

	for (struct keeper_session *s = keeper->sessions, *next; s; s = next) {
		next = s->next;
		if (s->kind == KEEPER_SESSION_ATTACHED && (s->wants_output || !is_output))
			keeper_session_put(s, type, payload, len);
	}
}

static void keeper_session_put_error(struct keeper_session *session, const struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	message_put_error(&payload, err);
	session->closing = 1;
	keeper_session_put(session, MESSAGE_ERROR, payload.data, payload.len);
}

static void keeper_session_put_ok(struct keeper_session *session)
{
	session->closing = 1;
	keeper_session_put(session, MESSAGE_OK, NULL, 0);
}

static int keeper_session_is_free_channel(const struct keeper *keeper, uint32_t channel)
{
	for (const struct keeper_session *s = keeper->sessions; s; s = s->next) {
		if (s->kind == KEEPER_SESSION_PROCESS && s->channel == channel)
			return 0;
	}
	return channel != 0;
}

/* A request that the driver answers on a channel of its own. */
static void keeper_session_begin_process(struct keeper_session *session, const struct frame *frame)
{
	struct keeper *keeper = session->keeper;
	struct err err = ERR_INIT;

	if (!keeper->driver || keeper->phase != KEEPER_RUNNING) {
		err_set(&err, -ESRCH, "'%s' is not running", keeper->record.name);
	} else if (!keeper->ops->sessions) {
		err_set(&err, -EOPNOTSUPP, "a %s starts its processes without its keeper",
			instance_kind_names[keeper->record.kind]);
	} else if (keeper->run.state == INSTANCE_PAUSED) {
		err_set(&err, -EBUSY, "'%s' is paused; resume it first", keeper->record.name);
	}
	if (err_is_set(&err)) {
		keeper_session_put_error(session, &err);
		return;
	}
	while (!keeper_session_is_free_channel(keeper, keeper->next_channel))
		keeper->next_channel++;
	session->kind = KEEPER_SESSION_PROCESS;
	session->channel = keeper->next_channel++;
	keeper->ops->send(keeper->driver, session->channel, frame->type, frame->payload,
			  frame->len);
}

static void keeper_session_attach(struct keeper_session *session, const struct frame *frame)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);

	session->takes_stdin = wire_get_u8(&r);
	session->wants_output = 1;
	session->kind = KEEPER_SESSION_ATTACHED;
	if (session->keeper->phase == KEEPER_RUNNING)
		keeper_session_put(session, MESSAGE_STARTED, NULL, 0);
}

static void keeper_session_stop(struct keeper_session *session, const struct frame *frame)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	uint32_t ms = wire_get_u32(&r);

	session->kind = KEEPER_SESSION_STOP;
	keeper_stop(session->keeper,
		    r.bad || ms == UINT32_MAX ? session->keeper->record.stop_timeout_ms : ms, 1);
}

/* The answer leaves the session open: its end is what lets the instance go on. */
static void keeper_session_hold(struct keeper_session *session)
{
	struct err err = ERR_INIT;
	int r = keeper_hold(session->keeper, &err);

	if (r < 0) {
		keeper_session_put_error(session, &err);
		return;
	}
	session->kind = KEEPER_SESSION_HOLD;
	session->holds = r;
	keeper_session_put(session, MESSAGE_OK, NULL, 0);
}

static int keeper_session_press(struct keeper *keeper, const struct frame *frame, struct err *err)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	uint8_t button = wire_get_u8(&r);

	if (wire_end(&r) < 0 || button >= MESSAGE_BUTTONS)
		return err_set(err, -EINVAL, "this keeper does not know that button");
	return keeper_press(keeper, (enum message_button)button, err);
}

static void keeper_session_set(struct keeper_session *session, const struct frame *frame)
{
	struct keeper *keeper = session->keeper;
	_cleanup_free_ char *assignment = mem_strndup((const char *)frame->payload, frame->len);
	struct err err = ERR_INIT;
	int r = keeper_set(keeper, assignment, &err);

	session->kind = KEEPER_SESSION_SET;
	if (r > 0) {
		keeper->change.session = session;
		keeper->change.lock = session->lock < 0 ? 0 : take_fd(&session->lock);
	} else {
		keeper_session_changed(session, r < 0 ? &err : NULL);
	}
}

void keeper_session_changed(struct keeper_session *session, const struct err *err)
{
	if (err)
		keeper_session_put_error(session, err);
	else
		keeper_session_put_ok(session);
}

static void keeper_session_do(struct keeper_session *session, const struct frame *frame)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	struct keeper *keeper = session->keeper;
	struct err err = ERR_INIT;

	if (frame->type == MESSAGE_PAUSE || frame->type == MESSAGE_RESUME)
		(void)keeper_pause(keeper, frame->type == MESSAGE_PAUSE, &err);
	else if (frame->type == MESSAGE_PRESS)
		(void)keeper_session_press(keeper, frame, &err);
	else if (frame->type == MESSAGE_BALANCE)
		(void)keeper_balance_hold(keeper, wire_get_u64(&r), &err);
	else if (frame->type == MESSAGE_SIGNAL && keeper->phase != KEEPER_RUNNING)
		err_set(&err, -ESRCH, "'%s' is not running", keeper->record.name);
	else if (frame->type == MESSAGE_SIGNAL)
		keeper_signal(keeper, (int)wire_get_u32(&r));
	if (err_is_set(&err))
		keeper_session_put_error(session, &err);
	else
		keeper_session_put_ok(session);
}

/* The request that a session begins with. */
static int keeper_session_begin(struct keeper_session *session, const struct frame *frame)
{
	switch (frame->type) {
	case MESSAGE_ATTACH:
		keeper_session_attach(session, frame);
		return 0;
	case MESSAGE_EXEC:
	case MESSAGE_TREE_GET:
	case MESSAGE_TREE_PUT:
	case MESSAGE_FREEZE:
	case MESSAGE_STATS:
	case MESSAGE_PROCS:
		keeper_session_begin_process(session, frame);
		return 0;
	case MESSAGE_STOP:
		keeper_session_stop(session, frame);
		return 0;
	case MESSAGE_HOLD:
		keeper_session_hold(session);
		return 0;
	case MESSAGE_SET:
		keeper_session_set(session, frame);
		return 0;
	case MESSAGE_SIGNAL:
	case MESSAGE_PAUSE:
	case MESSAGE_RESUME:
	case MESSAGE_PRESS:
	case MESSAGE_BALANCE:
	case MESSAGE_PING:
		keeper_session_do(session, frame);
		return 0;
	default:
		return -EBADMSG;
	}
}

/* What a session sends once it has begun. */
static int keeper_session_pass(struct keeper_session *session, const struct frame *frame)
{
	struct keeper *keeper = session->keeper;
	int is_input = frame->type == MESSAGE_IN || frame->type == MESSAGE_IN_END;

	if (!is_input && frame->type != MESSAGE_SIGNAL && frame->type != MESSAGE_RESIZE)
		return -EBADMSG;
	if (frame->type == MESSAGE_IN && frame->len > FRAME_DATA_MAX)
		return -EBADMSG;
	if (session->kind == KEEPER_SESSION_ATTACHED && is_input && !session->takes_stdin)
		return 0;
	if (session->kind == KEEPER_SESSION_STOP || session->kind == KEEPER_SESSION_HOLD ||
	    session->kind == KEEPER_SESSION_SET || !keeper->driver)
		return 0;
	keeper->ops->send(keeper->driver, session->channel, frame->type, frame->payload,
			  frame->len);
	return 0;
}

static int keeper_session_handle(struct keeper_session *session)
{
	struct frame frame;
	size_t done = 0;
	int r = 0;

	if (session->handling)
		return 0; /* the loop below sees the room that there is now */
	session->handling = 1;
	while (!session->closing && keeper_session_has_room(session)) {
		r = frame_parse(session->stream.in.data + done, session->stream.in.len - done,
				&frame);
		if (r <= 0)
			break;
		done += FRAME_HEADER_SIZE + frame.len;
		r = session->kind == KEEPER_SESSION_NEW ? keeper_session_begin(session, &frame)
							: keeper_session_pass(session, &frame);
		if (r < 0)
			break;
	}
	session->handling = 0;
	buf_consume(&session->stream.in, done);
	return r < 0 ? r : 0;
}

/* A request may bring the lock that its client holds, so that it is held for as long as we are at it. */
static int keeper_session_fill_first(struct keeper_session *session)
{
	struct buf *in = &session->stream.in;
	int lock;
	ssize_t n;

	buf_reserve(in, KEEPER_SESSION_READ);
	n = spawn_receive(session->stream.fd, in->data + in->len, KEEPER_SESSION_READ, &lock,
			  MSG_DONTWAIT);
	if (n <= 0)
		return n == -EAGAIN ? 0 : n < 0 ? (int)n : -EPIPE;
	if (lock >= 0) {
		fd_close(session->lock);
		session->lock = lock;
	}
	in->len += (size_t)n;
	in->data[in->len] = '\0';
	return 1;
}

static int keeper_session_read(struct keeper_session *session)
{
	int r = 1;

	/* one whole frame may have to wait here for room; more is left in the socket */
	if (session->kind == KEEPER_SESSION_NEW)
		r = keeper_session_fill_first(session);
	else if (session->stream.in.len < FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX)
		r = stream_fill(&session->stream, KEEPER_SESSION_READ);
	return r > 0 ? keeper_session_handle(session) : r;
}

static void keeper_session_on_event(void *ctx, uint32_t events)
{
	struct keeper_session *session = ctx;
	int r = 0;

	if (events & EPOLLOUT)
		r = stream_flush(&session->stream);
	if (r == 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		r = keeper_session_read(session);
	if (r < 0 || (session->closing && !session->stream.out.len)) {
		keeper_session_free(session);
		return;
	}
	keeper_session_settle_process(session);
	keeper_session_settle(session->keeper);
	keeper_session_watch(session);
}

struct keeper_session *keeper_session_new(struct keeper *keeper, int fd)
{
	struct keeper_session *session = mem_zalloc(sizeof(*session));
	struct err ignored = ERR_INIT;

	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	session->keeper = keeper;
	session->lock = -EBADF;
	if (stream_init(&session->stream, keeper->loop, fd, keeper_session_on_event, session,
			&ignored) < 0) {
		free(session);
		return NULL;
	}
	session->next = keeper->sessions;
	keeper->sessions = session;
	return session;
}

static int keeper_session_count(const struct keeper *keeper)
{
	int n = 0;

	for (const struct keeper_session *s = keeper->sessions; s; s = s->next)
		n++;
	return n;
}

/* The socket lies in a folder of mode 0700; the check holds even if that is ever loosened. */
static int keeper_session_is_allowed(int fd)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

void keeper_session_accept(struct keeper *keeper)
{
	int fd = accept4(keeper->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (!keeper_session_is_allowed(fd) ||
	    keeper_session_count(keeper) >= MESSAGE_SESSIONS_MAX) {
		fd_close(fd);
		return;
	}
	(void)keeper_session_new(keeper, fd);
}

void keeper_session_deliver(struct keeper *keeper, uint32_t channel, uint16_t type,
			    const void *payload, size_t len)
{
	struct keeper_session *s = keeper->sessions;
	int is_output = type == MESSAGE_OUT || type == MESSAGE_ERR;

	while (s && (s->kind != KEEPER_SESSION_PROCESS || s->channel != channel))
		s = s->next;
	if (!s) {
		if (is_output && keeper->driver)
			keeper->ops->consumed(keeper->driver, channel, len);
		return;
	}
	if (is_output)
		s->unconsumed += len;
	if (type == MESSAGE_EXIT || type == MESSAGE_ERROR || type == MESSAGE_STATS ||
	    type == MESSAGE_PROCS) {
		s->closing = 1;
		/* the channel has ended by itself: nothing to close in the driver */
		s->kind = KEEPER_SESSION_NEW;
	}
	keeper_session_put(s, type, payload, len);
	keeper_session_settle_process(s);
}

void keeper_session_writable(struct keeper *keeper, uint32_t channel)
{
	for (struct keeper_session *s = keeper->sessions, *next; s; s = next) {
		next = s->next;
		if (s->kind != KEEPER_SESSION_ATTACHED && s->kind != KEEPER_SESSION_PROCESS)
			continue;
		if (s->channel != channel || s->closing)
			continue;
		if (keeper_session_handle(s) < 0)
			s->closing = 1;
		keeper_session_watch(s);
	}
}

void keeper_session_end_processes(struct keeper *keeper)
{
	struct err err = ERR_INIT;

	err_set(&err, -ESRCH, "'%s' has ended", keeper->record.name);
	for (struct keeper_session *s = keeper->sessions, *next; s; s = next) {
		next = s->next;
		if (s->kind != KEEPER_SESSION_PROCESS)
			continue;
		s->kind = KEEPER_SESSION_NEW;
		keeper_session_put_error(s, &err);
	}
}

static void keeper_session_put_end(struct keeper_session *session)
{
	struct keeper *keeper = session->keeper;
	_cleanup_buf_ struct buf payload = BUF_INIT;

	if (session->kind == KEEPER_SESSION_STOP) {
		keeper_session_put_ok(session);
	} else if (session->kind != KEEPER_SESSION_ATTACHED) {
		return;
	} else if (err_is_set(&keeper->failure)) {
		keeper_session_put_error(session, &keeper->failure);
	} else {
		wire_put_u32(&payload, (uint32_t)keeper->record.exit_code);
		keeper_session_put(session, MESSAGE_EXIT, payload.data, payload.len);
	}
}

/* The loop has ended: what is left is written with a deadline, each client in its turn. */
void keeper_session_end_all(struct keeper *keeper)
{
	while (keeper->sessions) {
		struct keeper_session *s = keeper->sessions;

		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the one freed is no longer in the list */
		keeper_session_put_end(s);
		while (s->stream.out.len && stream_flush(&s->stream) == 0 && s->stream.out.len) {
			struct pollfd fd = { .fd = s->stream.fd, .events = POLLOUT };

			if (poll(&fd, 1, KEEPER_SESSION_LAST_MS) <= 0)
				break;
		}
		keeper_session_free(s);
	}
}
