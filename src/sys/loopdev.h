/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_LOOPDEV_H
#define SYS_LOOPDEV_H

#include "base/err.h"

/*
 * Makes a loop device of the file, read-only unless it is to be writable, which goes by itself when its last user
 * does: keep *ret_fd open until it is mounted. name: "/dev/loopN".
 */
int loopdev_attach(const char *path, int writable, int *ret_fd, char name[32], struct err *err);

#endif
