// SPDX-License-Identifier: GPL-2.0-or-later
#include "qemu/qmp.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stream.h"

#include <string.h>

#define QMP_READ_SIZE 4096

struct qmp {
	struct stream stream;
	qmp_event_fn event;
	void *ctx;
	int greeted; /* QEMU takes commands only after its greeting */
};

static void qmp_flush(struct qmp *qmp)
{
	if (qmp->greeted)
		(void)stream_flush(&qmp->stream);
	if (qmp->stream.source)
		loop_source_set_events(
			qmp->stream.source,
			EPOLLIN | (qmp->greeted && qmp->stream.out.len ? EPOLLOUT : 0));
}

void qmp_command(struct qmp *qmp, const char *name)
{
	buf_printf(&qmp->stream.out, "{\"execute\":\"%s\"}\n", name);
	qmp_flush(qmp);
}

void qmp_balloon(struct qmp *qmp, int64_t memory)
{
	buf_printf(&qmp->stream.out, "{\"execute\":\"balloon\",\"arguments\":{\"value\":%jd}}\n",
		   (intmax_t)memory);
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

static int qmp_lines(struct qmp *qmp)
{
	const char *newline;
	size_t done = 0;
	int r = 0;

	while (r == 0 &&
	       (newline = memchr(qmp->stream.in.data + done, '\n', qmp->stream.in.len - done))) {
		size_t line = (size_t)(newline - qmp->stream.in.data) - done;

		r = qmp_line(qmp, qmp->stream.in.data + done, line);
		done += line + 1;
	}
	buf_consume(&qmp->stream.in, done);
	return r < 0 || qmp->stream.in.len > QMP_LINE_MAX ? -EBADMSG : 0;
}

int qmp_feed(struct qmp *qmp, const char *data, size_t len)
{
	buf_add(&qmp->stream.in, data, len);
	return qmp_lines(qmp);
}

/* 1 if something was taken in, 0 if there is nothing now, negative at the end. */
static int qmp_read(struct qmp *qmp)
{
	int r = stream_fill(&qmp->stream, QMP_READ_SIZE);

	if (r > 0 && qmp_lines(qmp) < 0)
		r = -EBADMSG;
	return r;
}

static void qmp_on_io(void *ctx, uint32_t events)
{
	struct qmp *qmp = ctx;

	if (events & EPOLLOUT)
		qmp_flush(qmp);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && qmp_read(qmp) < 0)
		stream_unwatch(&qmp->stream);
}

int qmp_new(struct loop *loop, int fd, qmp_event_fn event, void *ctx, struct qmp **ret,
	    struct err *err)
{
	struct qmp *qmp = mem_zalloc(sizeof(*qmp));
	int r;

	qmp->event = event;
	qmp->ctx = ctx;
	r = stream_init(&qmp->stream, loop, fd, qmp_on_io, qmp, err);
	if (r < 0) {
		qmp_free(qmp);
		return r;
	}
	buf_add_str(&qmp->stream.out, "{\"execute\":\"qmp_capabilities\"}\n");
	*ret = qmp;
	return 0;
}

struct qmp *qmp_free(struct qmp *qmp)
{
	if (!qmp)
		return NULL;
	stream_release(&qmp->stream);
	free(qmp);
	return NULL;
}

void qmp_drain(struct qmp *qmp)
{
	while (qmp->stream.source && qmp_read(qmp) > 0)
		continue;
	stream_unwatch(&qmp->stream);
}
