// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/frame.h"
#include "proto/wire.h"

#include <string.h>
#include <sys/socket.h>

void frame_put(struct buf *out, uint32_t channel, uint16_t type, const void *payload, size_t len)
{
	wire_put_u32(out, (uint32_t)len);
	wire_put_u16(out, type);
	wire_put_u16(out, 0);
	wire_put_u32(out, channel);
	buf_add(out, payload, len);
}

int frame_parse(const void *data, size_t len, struct frame *ret)
{
	struct wire_reader r = wire_read(data, len);

	if (len < FRAME_HEADER_SIZE)
		return 0;
	ret->len = wire_get_u32(&r);
	ret->type = wire_get_u16(&r);
	if (wire_get_u16(&r) || ret->len > FRAME_PAYLOAD_MAX)
		return -EBADMSG;
	ret->channel = wire_get_u32(&r);
	ret->payload = r.p;
	return r.left >= ret->len;
}

int frame_send(int fd, uint32_t channel, uint16_t type, const void *payload, size_t len)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	size_t done = 0;

	frame_put(&out, channel, type, payload, len);
	while (done < out.len) {
		ssize_t n = send(fd, out.data + done, out.len - done, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

static int frame_read(int fd, struct buf *buf, size_t want)
{
	while (buf->len < want) {
		ssize_t n;

		buf_reserve(buf, want - buf->len);
		n = read(fd, buf->data + buf->len, want - buf->len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			return -EPIPE;
		if (n > 0)
			buf->len += (size_t)n;
	}
	return 0;
}

int frame_receive(int fd, struct buf *buf, struct frame *ret)
{
	int r;

	buf->len = 0;
	r = frame_read(fd, buf, FRAME_HEADER_SIZE);
	if (r < 0)
		return r;
	r = frame_parse(buf->data, buf->len, ret);
	if (r < 0)
		return r;
	r = frame_read(fd, buf, FRAME_HEADER_SIZE + ret->len);
	if (r < 0)
		return r;
	return frame_parse(buf->data, buf->len, ret) == 1 ? 0 : -EBADMSG;
}
