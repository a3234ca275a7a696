/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_PORT_H
#define GUEST_PORT_H

#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "proto/frame.h"

/* Frames over the agent's port, without blocking. */
struct port;

struct port_ops {
	void (*frame)(void *ctx, const struct frame *frame);
	/* port_is_full() was true and is no more */
	void (*drained)(void *ctx);
	/* The other side is gone (0) or sent what is no frame, or the port broke (-errno). Comes once. */
	void (*closed)(void *ctx, int error);
};

/* fd stays the caller's and is set not to block. */
int port_new(struct loop *loop, int fd, const struct port_ops *ops, void *ctx, struct port **ret,
	     struct err *err);
struct port *port_free(struct port *port);

/* Always takes the frame; who sends much asks port_is_full() first. */
void port_send(struct port *port, uint32_t channel, uint16_t type, const void *payload, size_t len);
int port_is_full(const struct port *port);
/* Passes on what was sent; call it when a round of sending is over. */
void port_flush(struct port *port);

#endif
