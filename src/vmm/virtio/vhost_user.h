/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_VIRTIO_VHOST_USER_H
#define VMM_VIRTIO_VHOST_USER_H

#include <stdint.h>

#include "vmm/mem/ram.h"
#include "vmm/virtio/queue.h"

/*
 * Another process serves virtqueues in memory that it shares with us: the front end's side of QEMU's vhost-user
 * protocol (docs/interop/vhost-user), without any of its protocol features, over a stream socket. Where it speaks of
 * our addresses it is told guest-physical ones, so it learns nothing of ours. All return 0 or -errno.
 *
 * No call but the first blocks; what does not fit into the socket is -EAGAIN, of a server that does not read.
 */

/* What it can do. Waits for its answer, at most VHOST_USER_WAIT_MS. */
#define VHOST_USER_WAIT_MS 10000
int vhost_user_features(int fd, uint64_t *ret);

/* Before any ring: who we are, what was agreed on, and the memory, which must be shared. */
int vhost_user_start(int fd, uint64_t features, const struct ram *ram);

/* A ring at its start, which it serves from now on. call: negative: none. */
int vhost_user_start_ring(int fd, unsigned int index, const struct queue_setup *setup, int kick,
			  int call);
/* Asks it to stop; the answer says that it touches the ring's requests no more. */
int vhost_user_stop_ring(int fd, unsigned int index);

/* Reading the answers to that, which come in pieces like all of a stream. */
struct vhost_user_reader {
	uint8_t data[20];
	uint32_t len;
};

/* 1: one has come; 0: not yet. -EPIPE: it has gone; -EBADMSG: it says something else. */
int vhost_user_read_stopped(int fd, struct vhost_user_reader *reader);

#endif
