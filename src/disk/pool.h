/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_POOL_H
#define DISK_POOL_H

#include "disk/engine.h"

/* An engine of a few threads, started one by one when there is work for them. The format and the
 * eventfd stay the caller's. */
void pool_new(struct format *format, int event_fd, struct engine *ret);

#endif
