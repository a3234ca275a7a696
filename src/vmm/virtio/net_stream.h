/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_VIRTIO_NET_STREAM_H
#define VMM_VIRTIO_NET_STREAM_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * A stream socket that stands for a tap: packets, each after its length (32 bits, big-endian), as QEMU's "stream"
 * and passt have it. Here, as from a tap, each has the header of 12 bytes before it, of which none is sent: nothing
 * is left to do to a packet.
 */
struct net_stream;

/* Of a packet with its header: what TSO would take, though there is none. */
#define NET_STREAM_PACKET_MAX (12 + 65535 + 64)
#define NET_STREAM_SEGMENTS   256

/* fd does not block, and stays the caller's. */
struct net_stream *net_stream_new(int fd);
struct net_stream *net_stream_free(struct net_stream *stream); /* returns NULL */

/*
 * The next packet, over the segments, which have room for NET_STREAM_PACKET_MAX. Returns its length, -EAGAIN if there
 * is none yet, or what says that there will be no more: 0, or another error. A length that no packet has is -EBADMSG.
 */
ssize_t net_stream_read(struct net_stream *stream, const struct iovec *segments, size_t n);
/* Is a whole packet here already, of which the socket would not tell any more? */
int net_stream_ready(const struct net_stream *stream);

/*
 * Sends a packet with its header. 0 also when a part of it is kept for net_stream_flush(), and when there cannot be
 * such a packet, which is lost; -EAGAIN if the socket has no room for it, or a part of the one before is still here.
 */
int net_stream_write(struct net_stream *stream, const struct iovec *segments, size_t n);
/* Sends what is kept, as the socket has room; if the other end is gone it is lost. */
void net_stream_flush(struct net_stream *stream);
int net_stream_unsent(const struct net_stream *stream);

#endif
