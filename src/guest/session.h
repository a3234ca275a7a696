/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_SESSION_H
#define GUEST_SESSION_H

#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"
#include "guest/launch.h"
#include "guest/port.h"
#include "proto/frame.h"

/* One channel's process: its stdio by flow-controlled frames, its signals, its end. */
struct session;

struct session_owner {
	struct loop *loop;
	struct port *port;
	/* The last frame of the session was sent; it may be freed. Comes once. */
	void (*ended)(void *ctx, struct session *session);
	void *ctx;
};

/* Takes the launch over. work: it is no program but work of ours. */
struct session *session_new(const struct session_owner *owner, uint32_t channel,
			    struct launch *launch, int work);
struct session *session_free(struct session *session); /* the process is not touched */

uint32_t session_channel(const struct session *session);
pid_t session_pid(const struct session *session);

/* IN, IN_END, CREDIT_OUT, SIGNAL, RESIZE, CLOSE. -EPROTO: a breach of the protocol. */
int session_handle(struct session *session, const struct frame *frame);

/* Its process was reaped. */
void session_exited(struct session *session, int exit_status);

/* The port takes frames again. */
void session_resume(struct session *session);

#endif
