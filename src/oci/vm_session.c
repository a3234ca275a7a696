// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: a connection is a session, which collects what it is to run (oci/vm_packet.h) and then has a channel.
 * Whoever connects is root, who alone may enter the store's folder.
 *
 * Invariants:
 *  1. A session is in the list from its connection to the end of both: its channel and its output, or to the end of the
 *     connection before it had a channel.
 *  2. EXIT goes out after the last byte of the output, so that who gets it finds all of that.
 */
#include "oci/vm_session.h"
#include "base/file.h"
#include "base/mem.h"
#include "proto/message.h"
#include "proto/wire.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

struct vm_session {
	struct vm_sessions *all;
	struct vm_session *next;
	uint32_t channel; /* 0: none yet */
	int conn;
	struct loop_source *source;
	int given[4]; /* the process, and its streams */
	struct vm_relay relay;
	int ended; /* its channel has */
	struct vm_packet last;
};

struct vm_sessions {
	struct loop *loop;
	int listening;
	struct loop_source *source;
	const struct driver_ops *ops;
	struct driver *driver;
	struct vm_session *list;
	uint32_t channels;
};

static void vm_session_free(struct vm_session *session)
{
	struct vm_session **at = &session->all->list;

	while (*at != session)
		at = &(*at)->next;
	*at = session->next;
	vm_relay_release(&session->relay);
	loop_source_free(session->source);
	fd_close(session->conn);
	for (size_t i = 0; i < ARRAY_SIZE(session->given); i++)
		fd_close(session->given[i]);
	free(session);
}

static void vm_session_send(struct vm_session *session, uint16_t type, const void *payload,
			    size_t len)
{
	struct vm_sessions *all = session->all;

	if (session->channel && !session->ended)
		all->ops->send(all->driver, session->channel, type, payload, len);
}

static size_t vm_session_room(void *ctx)
{
	struct vm_session *session = ctx;

	return session->ended ? 0 : session->all->ops->room(session->all->driver, session->channel);
}

static void vm_session_input(void *ctx, const void *data, size_t len)
{
	vm_session_send(ctx, MESSAGE_IN, data, len);
}

static void vm_session_input_end(void *ctx)
{
	vm_session_send(ctx, MESSAGE_IN_END, NULL, 0);
}

static void vm_session_consumed(void *ctx, size_t len)
{
	struct vm_session *session = ctx;

	if (!session->ended)
		session->all->ops->consumed(session->all->driver, session->channel, len);
}

static void vm_session_drained(void *ctx)
{
	struct vm_session *session = ctx;

	if (session->conn >= 0)
		(void)spawn_send(session->conn, &session->last, sizeof(session->last), -EBADF);
	vm_session_free(session);
}

static const struct vm_relay_ops vm_session_ops = {
	.room = vm_session_room,
	.input = vm_session_input,
	.input_end = vm_session_input_end,
	.consumed = vm_session_consumed,
	.drained = vm_session_drained,
};

static void vm_session_fail(struct vm_session *session, const struct err *err)
{
	struct vm_packet packet = { .kind = VM_PACKET_FAILED, .err = *err };

	(void)spawn_send(session->conn, &packet, sizeof(packet), -EBADF);
	vm_session_free(session);
}

static int vm_session_check(const struct vm_session *session, struct err *err)
{
	if (!session->all->driver)
		return err_set(err, -ESRCH, "container not running");
	for (size_t i = 0; i < ARRAY_SIZE(session->given); i++) {
		if (session->given[i] < 0)
			return err_set(err, -EPROTO, "a process is not wholly described");
	}
	return 0;
}

/* A terminal's output is all in one, so its stderr is never written to. */
static void vm_session_run(struct vm_session *session)
{
	struct vm_sessions *all = session->all;
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	size_t len = 0;
	char path[48];
	int r = vm_session_check(session, &err);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", session->given[0]);
	if (r == 0)
		r = file_read(AT_FDCWD, path, FRAME_PAYLOAD_MAX, &text, &len);
	if (r < 0 && !err_is_set(&err))
		err_errno(&err, r, "cannot read what to run");
	if (r == 0)
		r = vm_relay_init(&session->relay, all->loop, session->given + 1, &vm_session_ops,
				  session, &err);
	if (r < 0) {
		vm_session_fail(session, &err);
		return;
	}
	session->channel = ++all->channels;
	vm_session_send(session, MESSAGE_EXEC, text, len);
	vm_relay_start(&session->relay);
}

static void vm_session_signal(struct vm_session *session, const struct vm_packet *packet)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	if (packet->kind == VM_PACKET_SIGNAL) {
		wire_put_u32(&payload, (uint32_t)packet->value);
		vm_session_send(session, MESSAGE_SIGNAL, payload.data, payload.len);
	} else {
		wire_put_u16(&payload, packet->rows);
		wire_put_u16(&payload, packet->columns);
		vm_session_send(session, MESSAGE_RESIZE, payload.data, payload.len);
	}
}

/* Who has it run is gone: nobody hears of its end. */
static void vm_session_hang_up(struct vm_session *session)
{
	session->source = loop_source_free(session->source);
	session->conn = fd_close(session->conn);
	if (session->channel)
		vm_session_send(session, MESSAGE_CLOSE, NULL, 0);
	else
		vm_session_free(session);
}

static void vm_session_on_packet(void *ctx, uint32_t events _unused_)
{
	struct vm_session *session = ctx;
	struct vm_packet packet = { 0 };
	int fd = -EBADF;
	ssize_t n = spawn_receive(session->conn, &packet, sizeof(packet), &fd, MSG_DONTWAIT);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n == (ssize_t)sizeof(packet) && !session->channel && packet.kind >= VM_PACKET_PROCESS &&
	    packet.kind <= VM_PACKET_STDERR) {
		fd_close(session->given[packet.kind - VM_PACKET_PROCESS]);
		session->given[packet.kind - VM_PACKET_PROCESS] = take_fd(&fd);
	} else if (n != (ssize_t)sizeof(packet)) {
		vm_session_hang_up(session);
	} else if (packet.kind == VM_PACKET_RUN && !session->channel) {
		vm_session_run(session);
	} else if (packet.kind == VM_PACKET_SIGNAL || packet.kind == VM_PACKET_RESIZE) {
		vm_session_signal(session, &packet);
	}
	fd_close(fd);
}

static void vm_sessions_on_connection(void *ctx, uint32_t events _unused_)
{
	struct vm_sessions *all = ctx;
	struct vm_session *session;
	int conn = accept4(all->listening, NULL, NULL, SOCK_CLOEXEC);

	if (conn < 0)
		return;
	session = mem_zalloc(sizeof(*session));
	*session = (struct vm_session){ .all = all, .next = all->list, .conn = conn };
	for (size_t i = 0; i < ARRAY_SIZE(session->given); i++)
		session->given[i] = -EBADF;
	session->relay.in = session->relay.out[0].fd = session->relay.out[1].fd = -EBADF;
	all->list = session;
	session->source = loop_watch_fd(all->loop, conn, EPOLLIN, vm_session_on_packet, session);
	if (!session->source)
		vm_session_free(session);
}

static void vm_session_end(struct vm_session *session, const struct vm_packet *last)
{
	session->ended = 1;
	session->last = *last;
	vm_relay_finish(&session->relay);
}

void vm_sessions_deliver(struct vm_sessions *sessions, uint32_t channel, uint16_t type,
			 const void *payload, size_t len)
{
	struct frame frame = { .payload = payload, .len = (uint32_t)len };
	struct wire_reader reader = wire_read(payload, len);
	struct vm_session *session = sessions->list;
	struct vm_packet packet = { 0 };

	while (session && session->channel != channel)
		session = session->next;
	if (!session)
		return;
	if (type == MESSAGE_OUT || type == MESSAGE_ERR) {
		vm_relay_output(&session->relay, type == MESSAGE_ERR, payload, len);
	} else if (type == MESSAGE_STARTED) {
		packet.kind = VM_PACKET_STARTED;
		if (session->conn >= 0)
			(void)spawn_send(session->conn, &packet, sizeof(packet), -EBADF);
	} else if (type == MESSAGE_EXIT) {
		packet.kind = VM_PACKET_EXIT;
		packet.value = (int32_t)wire_get_u32(&reader);
		vm_session_end(session, &packet);
	} else if (type == MESSAGE_ERROR) {
		packet.kind = VM_PACKET_FAILED;
		message_get_error(&frame, &packet.err);
		vm_session_end(session, &packet);
	}
}

void vm_sessions_writable(struct vm_sessions *sessions, uint32_t channel)
{
	for (struct vm_session *at = sessions->list; at; at = at->next) {
		if (at->channel == channel)
			vm_relay_writable(&at->relay);
	}
}

int vm_sessions_new(struct loop *loop, int listening, struct vm_sessions **ret, struct err *err)
{
	struct vm_sessions *sessions = mem_zalloc(sizeof(*sessions));

	*sessions = (struct vm_sessions){ .loop = loop, .listening = listening };
	sessions->source =
		loop_watch_fd(loop, listening, EPOLLIN, vm_sessions_on_connection, sessions);
	if (!sessions->source) {
		free(sessions);
		return err_errno(err, -errno, "cannot watch the socket of exec");
	}
	*ret = sessions;
	return 0;
}

void vm_sessions_open(struct vm_sessions *sessions, const struct driver_ops *ops,
		      struct driver *driver)
{
	sessions->ops = ops;
	sessions->driver = driver;
}

struct vm_sessions *vm_sessions_free(struct vm_sessions *sessions)
{
	if (!sessions)
		return NULL;
	while (sessions->list)
		vm_session_free(sessions->list);
	loop_source_free(sessions->source);
	free(sessions);
	return NULL;
}
