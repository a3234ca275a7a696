// SPDX-License-Identifier: GPL-2.0-or-later
#include "qemu/qmp.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <string.h>
#include <sys/socket.h>

struct qmp {
	int fd;
	struct loop_source *source;
	qmp_event_fn event;
	void *ctx;
	int greeted; /* QEMU takes commands only after its greeting */
	struct buf in, out;
};

static void qmp_flush(struct qmp *qmp)
{
	size_t sent = 0;

	while (qmp->greeted && sent < qmp->out.len) {
		ssize_t n = send(qmp->fd, qmp->out.data + sent, qmp->out.len - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	buf_consume(&qmp->out, sent);
	if (qmp->source)
		loop_source_set_events(qmp->source,
				       EPOLLIN | (qmp->greeted && qmp->out.len ? EPOLLOUT : 0));
}

void qmp_command(struct qmp *qmp, const char *name)
{
	buf_printf(&qmp->out, "{\"execute\":\"%s\"}\n", name);
	qmp_flush(qmp);
}

static int qmp_line(struct qmp *qmp, const char *line, size_t len)
{
	_cleanup_json_ struct json *message = NULL;
	struct err err = ERR_INIT;
	const char *event;

	if (json_parse(line, len, "QMP message", &message, &err) < 0)
		return -EBADMSG;
	if (json_get(message, "QMP")) {
		qmp->greeted = 1;
		qmp_flush(qmp);
	}
	event = json_get_string(message, "event", NULL);
	if (event)
		qmp->event(qmp->ctx, event, json_get(message, "data"));
	if (json_get(message, "error"))
		log_debug("QEMU refused a command: %s",
			  json_get_string(json_get(message, "error"), "desc", "no reason given"));
	return 0;
}

int qmp_feed(struct qmp *qmp, const char *data, size_t len)
{
	const char *newline;
	size_t done = 0;
	int r = 0;

	buf_add(&qmp->in, data, len);
	while (r == 0 && (newline = memchr(qmp->in.data + done, '\n', qmp->in.len - done))) {
		size_t line = (size_t)(newline - qmp->in.data) - done;

		r = qmp_line(qmp, qmp->in.data + done, line);
		done += line + 1;
	}
	buf_consume(&qmp->in, done);
	return r < 0 || qmp->in.len > QMP_LINE_MAX ? -EBADMSG : 0;
}

/* 1 if something was taken in, 0 if there is nothing now, negative at the end. */
static int qmp_read(struct qmp *qmp)
{
	char chunk[4096];
	ssize_t n = recv(qmp->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -EPIPE;
	return qmp_feed(qmp, chunk, (size_t)n) < 0 ? -EBADMSG : 1;
}

static void qmp_on_io(void *ctx, uint32_t events)
{
	struct qmp *qmp = ctx;

	if (events & EPOLLOUT)
		qmp_flush(qmp);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && qmp_read(qmp) < 0)
		qmp->source = loop_source_free(qmp->source);
}

int qmp_new(struct loop *loop, int fd, qmp_event_fn event, void *ctx, struct qmp **ret,
	    struct err *err)
{
	struct qmp *qmp = mem_zalloc(sizeof(*qmp));

	*qmp = (struct qmp){ .fd = fd, .event = event, .ctx = ctx };
	buf_add_str(&qmp->out, "{\"execute\":\"qmp_capabilities\"}\n");
	qmp->source = loop_watch_fd(loop, fd, EPOLLIN, qmp_on_io, qmp);
	if (!qmp->source) {
		qmp_free(qmp);
		return err_errno(err, -errno, "cannot watch QEMU's monitor");
	}
	*ret = qmp;
	return 0;
}

struct qmp *qmp_free(struct qmp *qmp)
{
	if (!qmp)
		return NULL;
	loop_source_free(qmp->source);
	fd_close(qmp->fd);
	buf_release(&qmp->in);
	buf_release(&qmp->out);
	free(qmp);
	return NULL;
}

void qmp_drain(struct qmp *qmp)
{
	while (qmp->source && qmp_read(qmp) > 0)
		continue;
	qmp->source = loop_source_free(qmp->source);
}
