/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef QEMU_QMP_H
#define QEMU_QMP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"

/*
 * QEMU's control protocol: a line of JSON per message, both ways. We say a few commands and listen for events. QEMU serves a guest that may have taken it over, so its lines are
 * bounded and what is no QMP ends the conversation (the machine goes on).
 */
#define QMP_LINE_MAX (64U << 10)

struct qmp;

/* event: of any name; data may be NULL. */
typedef void (*qmp_event_fn)(void *ctx, const char *event, const struct json *data);

/* Takes over fd, a socket whose other end is QEMU's monitor. */
int qmp_new(struct loop *loop, int fd, qmp_event_fn event, void *ctx, struct qmp **ret,
	    struct err *err);
struct qmp *qmp_free(struct qmp *qmp); /* returns NULL */

/* "stop", "cont", "quit": said as soon as QEMU listens, in order. */
void qmp_command(struct qmp *qmp, const char *name);

/* "balloon": how much memory the guest is to have, in bytes. */
void qmp_balloon(struct qmp *qmp, int64_t memory);

/* Takes in bytes as they come from QEMU. Returns 0, or -EBADMSG: it is no QMP. */
int qmp_feed(struct qmp *qmp, const char *data, size_t len);

/* After QEMU's end: takes in what it had said before. */
void qmp_drain(struct qmp *qmp);

#endif
