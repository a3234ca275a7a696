/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_VIRTIO_VSOCK_H
#define VMM_VIRTIO_VSOCK_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/virtio/virtio.h"

/*
 * A socket device (virtio 1.2 section 5.10): stream connections between the guest's AF_VSOCK and AF_UNIX
 * sockets of the host, whose own AF_VSOCK has no part in it.
 *
 * From the host: a client connects to the listener, writes "CONNECT PORT\n" and reads "OK HOSTPORT\n" once
 * something in the guest has accepted; then the stream begins. If nothing does, it reads the end of file.
 * Who comes before the guest has a driver for the device waits for it.
 *
 * From the guest: what connects to CID 2 is asked for over the connector, a SOCK_SEQPACKET socket: a struct
 * vsock_request goes out, a struct vsock_reply comes back, with a connected stream socket beside it
 * (SCM_RIGHTS) unless its error says why not. Whoever answers decides where a port leads; requests may
 * be answered in any order. Without a connector the guest's connections are refused.
 */

#define VSOCK_CONNECTIONS_MAX 256
#define VSOCK_HOST_CID	      2
#define VSOCK_CID_MIN	      3

/* Numbers are in the host's byte order. */
struct vsock_request {
	uint32_t id, port;
};

struct vsock_reply {
	uint32_t id;
	int32_t error; /* 0 or -errno */
};

struct vsock_options {
	uint64_t cid;  /* the guest's, from VSOCK_CID_MIN to 2^32 - 2 */
	int listener;  /* a listening AF_UNIX stream socket, or -EBADF */
	int connector; /* or -EBADF */
};

/* Takes over the descriptors; on failure they are still the caller's. */
int vsock_new(const struct virtio_host *host, const struct vsock_options *options,
	      struct virtio **ret, struct err *err);

#endif
