/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_VHOST_H
#define SYS_VHOST_H

#include <linux/vhost.h>
#include <stddef.h>
#include <stdint.h>

/* A vhost device: the kernel serves virtqueues. All return 0 or -errno. */

/*
 * One for a queue pair of a network card: a descriptor. Who holds one that has been owned holds the owner's memory, and
 * its thread of the kernel's (before Linux 6.4 in the owner's control group), so it is opened for one process and
 * kept by nobody else.
 */
int vhost_net_open(void);
/* The memory is from now on that of the calling process; once for a descriptor. */
int vhost_own(int fd);
int vhost_features(int fd, uint64_t *ret);
int vhost_set_features(int fd, uint64_t features);

#define VHOST_REGIONS_MAX 8
int vhost_set_memory(int fd, const struct vhost_memory_region *regions, uint32_t n);

struct vhost_ring {
	uint32_t size;
	void *descriptors, *driver, *device; /* in the process's memory */
	int kick, call;			     /* eventfds; negative: none */
};

/* A ring that is at its start. */
int vhost_set_ring(int fd, unsigned int index, const struct vhost_ring *ring);
/* Takes the eventfds out of the kernel's hands. */
int vhost_clear_ring(int fd, unsigned int index);
/* What the ring's packets go to and come from: starts it, or (-1) stops it and waits until it stands. */
int vhost_set_net(int fd, unsigned int index, int backend);

#endif
