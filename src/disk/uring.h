/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_URING_H
#define DISK_URING_H

#include "disk/engine.h"

/*
 * An engine on io_uring, for images whose file is the disk (format->plain). What needs more than one
 * operation of the kernel it does not take, or gives back with -EAGAIN. Makes all that it needs now.
 * -errno if the kernel has no io_uring for us.
 */
int uring_new(const struct blockfile *file, int event_fd, struct engine *ret);

#endif
