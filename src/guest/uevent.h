/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_UEVENT_H
#define GUEST_UEVENT_H

#include <stdint.h>

#include "base/err.h"

/* Waiting for devices: the kernel announces each on a netlink socket, so nobody polls. */

/* Opened before the first check, so that nothing is missed. The caller's descriptor, or -errno. */
int uevent_open(struct err *err);

/*
 * Calls check now and after each announcement until it returns other than 0; returns that, or 0 when
 * the time is over.
 */
int uevent_wait(int fd, int64_t timeout_ms, int (*check)(void *ctx, struct err *err), void *ctx,
		struct err *err);

#endif
