/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Frames: what goes over the byte stream between a client and an instance's keeper (RUN/NAME/ctl.sock)
 * and between the keeper and the agent in a VM (a virtio-serial port). Header of 12 bytes, little-endian:
 * u32 length of the payload (at most FRAME_PAYLOAD_MAX), u16 type, u16 zero, u32 channel.
 */
#define FRAME_HEADER_SIZE 12
#define FRAME_PAYLOAD_MAX (64U << 10)
/* Data frames carry at most this, so that one busy stream does not hold up the others for long. */
#define FRAME_DATA_MAX (32U << 10)

struct frame {
	uint16_t type;
	uint32_t channel;
	uint32_t len;
	const uint8_t *payload; /* inside the buffer it was parsed from */
};

void frame_put(struct buf *out, uint32_t channel, uint16_t type, const void *payload, size_t len);

/*
 * The first frame in the bytes: 1 and *ret set (it spans FRAME_HEADER_SIZE + ret->len bytes), 0 if more
 * bytes are needed, -EBADMSG if these can be no frame.
 */
int frame_parse(const void *data, size_t len, struct frame *ret);

/* Blocking transfer of one frame, for clients: whole or -errno (-EPIPE at the end of the stream). The
 * payload of a received frame lies in buf, which the next call overwrites. */
int frame_send(int fd, uint32_t channel, uint16_t type, const void *payload, size_t len);
int frame_receive(int fd, struct buf *buf, struct frame *ret);

#endif
