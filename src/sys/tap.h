/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_TAP_H
#define SYS_TAP_H

#include <net/if.h>

#include "base/err.h"

/*
 * Taps: network interfaces whose other end is a descriptor. Each packet has a header before it (struct
 * virtio_net_hdr) which says what is left to do to it. A queue is a descriptor.
 */

/*
 * Makes a tap of that name ("": named by the kernel) with so many queues, non-blocking descriptors that the
 * caller closes. It is down and goes with the last of them. ret_name holds IFNAMSIZ bytes and may be NULL. -EBUSY: there is an interface of that name.
 */
int tap_make(const char *name, int *ret_queues, size_t count, char *ret_name, struct err *err);

/* 0; -ENOTTY where the descriptor is no tap, -EINVAL where it gives no header. */
int tap_check(int fd);
int tap_set_header(int fd, int size); /* bytes */
/* What the reader takes over from the sender: TUN_F_* of linux/if_tun.h. */
int tap_set_offloads(int fd, unsigned int offloads);
/* A queue that is not attached gets no packets; it is opened attached. */
int tap_attach(int fd, int attached);

#endif
