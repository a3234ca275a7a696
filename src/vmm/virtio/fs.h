/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_VIRTIO_FS_H
#define VMM_VIRTIO_FS_H

#include "vmm/virtio/virtio.h"

/*
 * A folder of the host's (virtio 1.2 section 5.11), which a server of its own shows (vhost_user.h): it reads and writes
 * the guest's memory by itself, and nothing of a request passes through here. The memory must be shared.
 *
 * If the server goes, the device needs a reset, and no reset will do.
 */
struct fs_options {
	const char *tag; /* 1 to 36 bytes */
	int server;	 /* a connected stream socket */
};

/* Takes over the socket; on failure it is still the caller's. */
int fs_new(const struct virtio_host *host, const struct fs_options *options, struct virtio **ret,
	   struct err *err);

#endif
