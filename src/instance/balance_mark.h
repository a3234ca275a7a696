/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_BALANCE_MARK_H
#define INSTANCE_BALANCE_MARK_H

#include "base/err.h"

/*
 * That a balance lives: a flock on RUN/.balance, which ends with its process. -EBUSY: another one does. The caller closes
 * *ret_fd.
 */
int balance_mark_take(const char *run, int *ret_fd, struct err *err);
int balance_mark_is_taken(const char *run);

#endif
