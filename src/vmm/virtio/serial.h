/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_VIRTIO_SERIAL_H
#define VMM_VIRTIO_SERIAL_H

#include <stddef.h>

#include "base/err.h"
#include "vmm/virtio/virtio.h"

/*
 * A virtio console device (virtio 1.2 section 5.3) with ports: streams between the guest and a descriptor
 * of the host each. The guest finds a port by its name. Port 0 is the first console's, if there is one; a
 * driver that knows of no ports finds nothing else.
 *
 * A stream waits when the other side does: the guest's bytes stay in its ring while the descriptor is
 * full, and the host's in the descriptor until the guest has the port open and room. At the host's end of
 * file the guest's end is closed, after all bytes before it.
 */

#define SERIAL_PORTS_MAX 30
#define SERIAL_NAME_MAX	 127 /* bytes of a name, which is ours to choose */

struct serial_port {
	const char *name; /* NULL: none */
	int fd; /* a stream socket, pipe or terminal; read-only and write-only ones work too */
	int is_console;		   /* the guest's kernel makes a console of it, hvc */
	void (*opened)(void *ctx); /* a process of the guest has opened its end; NULL: nothing */
	void *ctx;
};

/*
 * The device takes over the descriptors, and makes those that are not sockets non-blocking. Where one of
 * them is a pipe the process must ignore SIGPIPE. On failure they are still the caller's.
 */
int serial_new(const struct virtio_host *host, const struct serial_port *ports, size_t n,
	       struct virtio **ret, struct err *err);

#endif
