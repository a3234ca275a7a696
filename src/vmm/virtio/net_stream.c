// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In: bytes are read as many as fit in a buffer, which has room for the largest packet and its length; packets are
 * taken out of its front. Out: a packet goes straight from the guest's memory; what the socket does not take of it is
 * copied, and has to go before the next. So a packet is on the stream whole or not at all, whatever the guest does.
 *
 * Invariants:
 *  1. No more is read while a whole packet is in the buffer.
 *  2. After an end or an error of reading nothing is read or written any more. What cannot be written is lost.
 */
#include "vmm/virtio/net_stream.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define NET_STREAM_HEADER 12 /* struct virtio_net_hdr_v1 */
#define NET_STREAM_LENGTH 4
#define NET_STREAM_MAX	  (NET_STREAM_PACKET_MAX - NET_STREAM_HEADER)
#define NET_STREAM_ROOM	  (NET_STREAM_LENGTH + NET_STREAM_MAX)

struct net_stream {
	int fd;
	ssize_t ended; /* what to answer from now on; 1: not yet */
	size_t in_at, in_len, out_at, out_len;
	uint8_t in[2 * NET_STREAM_ROOM], out[NET_STREAM_ROOM];
};

struct net_stream *net_stream_new(int fd)
{
	struct net_stream *stream = mem_zalloc(sizeof(*stream));

	stream->fd = fd;
	stream->ended = 1;
	return stream;
}

struct net_stream *net_stream_free(struct net_stream *stream)
{
	free(stream);
	return NULL;
}

/* Of the first packet in the buffer; 0: it is not known yet, or wrong. */
static size_t net_stream_length(const struct net_stream *stream)
{
	uint32_t length = 0;

	if (stream->in_len < NET_STREAM_LENGTH)
		return 0;
	memcpy(&length, stream->in + stream->in_at, sizeof(length));
	length = ntohl(length);
	return length <= NET_STREAM_MAX ? length : 0;
}

int net_stream_ready(const struct net_stream *stream)
{
	size_t length = net_stream_length(stream);

	return length && stream->in_len - NET_STREAM_LENGTH >= length;
}

/* 1 if there is more in the buffer now, else as net_stream_read(). */
static ssize_t net_stream_fill(struct net_stream *stream)
{
	size_t end = stream->in_at + stream->in_len;
	ssize_t n;

	if (sizeof(stream->in) - end < NET_STREAM_ROOM) {
		memmove(stream->in, stream->in + stream->in_at, stream->in_len);
		stream->in_at = 0;
		end = stream->in_len;
	}
	do {
		n = recv(stream->fd, stream->in + end, sizeof(stream->in) - end, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n <= 0)
		stream->ended = n < 0 ? -errno : 0;
	else
		stream->in_len += (size_t)n;
	return n > 0 ? 1 : stream->ended;
}

static void net_stream_scatter(const struct iovec *segments, size_t n, size_t skip,
			       const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < n && len; i++) {
		size_t part = segments[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part = part - skip < len ? part - skip : len;
		memcpy((uint8_t *)segments[i].iov_base + skip, data, part);
		data += part;
		len -= part;
		skip = 0;
	}
}

ssize_t net_stream_read(struct net_stream *stream, const struct iovec *segments, size_t n)
{
	static const uint8_t header[NET_STREAM_HEADER];
	size_t length;

	while (!net_stream_ready(stream)) {
		ssize_t r = stream->ended;

		if (r > 0 && stream->in_len >= NET_STREAM_LENGTH && !net_stream_length(stream))
			r = stream->ended = -EBADMSG;
		if (r > 0)
			r = net_stream_fill(stream);
		if (r <= 0)
			return r;
	}
	length = net_stream_length(stream);
	net_stream_scatter(segments, n, 0, header, sizeof(header));
	net_stream_scatter(segments, n, sizeof(header),
			   stream->in + stream->in_at + NET_STREAM_LENGTH, length);
	stream->in_at += NET_STREAM_LENGTH + length;
	stream->in_len -= NET_STREAM_LENGTH + length;
	return (ssize_t)(sizeof(header) + length);
}

int net_stream_unsent(const struct net_stream *stream)
{
	return stream->out_len > 0;
}

void net_stream_flush(struct net_stream *stream)
{
	while (net_stream_unsent(stream)) {
		ssize_t n = send(stream->fd, stream->out + stream->out_at, stream->out_len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		stream->out_at += (size_t)n;
		stream->out_len -= (size_t)n;
	}
	stream->out_len = 0;
}

/* What there is of the segments from skip on, to the buffer. */
static void net_stream_keep(struct net_stream *stream, const struct iovec *segments, size_t n,
			    size_t skip)
{
	stream->out_at = stream->out_len = 0;
	for (size_t i = 0; i < n; i++) {
		size_t len = segments[i].iov_len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		memcpy(stream->out + stream->out_len, (uint8_t *)segments[i].iov_base + skip,
		       len - skip);
		stream->out_len += len - skip;
		skip = 0;
	}
}

/* The segments without the header. Returns their number. */
static size_t net_stream_cut(const struct iovec *segments, size_t n, struct iovec *ret)
{
	size_t skip = NET_STREAM_HEADER, used = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = segments[i].iov_len, cut = skip < len ? skip : len;

		skip -= cut;
		if (len > cut)
			ret[used++] = (struct iovec){
				.iov_base = (uint8_t *)segments[i].iov_base + cut,
				.iov_len = len - cut,
			};
	}
	return used;
}

int net_stream_write(struct net_stream *stream, const struct iovec *segments, size_t n)
{
	struct iovec parts[NET_STREAM_SEGMENTS + 1];
	struct msghdr message = { .msg_iov = parts };
	size_t len = 0;
	uint32_t length;
	ssize_t sent;

	for (size_t i = 0; i < n; i++)
		len += segments[i].iov_len;
	if (net_stream_unsent(stream))
		return -EAGAIN;
	if (len <= NET_STREAM_HEADER || len > NET_STREAM_PACKET_MAX || n > NET_STREAM_SEGMENTS ||
	    stream->ended <= 0)
		return 0;
	length = htonl((uint32_t)(len - NET_STREAM_HEADER));
	parts[0] = (struct iovec){ .iov_base = &length, .iov_len = sizeof(length) };
	message.msg_iovlen = 1 + net_stream_cut(segments, n, parts + 1);
	do {
		sent = sendmsg(stream->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	if ((size_t)sent < sizeof(length) + len - NET_STREAM_HEADER)
		net_stream_keep(stream, parts, message.msg_iovlen, (size_t)sent);
	return 0;
}
