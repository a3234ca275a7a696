/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_PTY_H
#define SYS_PTY_H

#include <stdint.h>

#include "base/err.h"

/*
 * A terminal from the devpts file system that dirfd is the root of. That it is one is checked: whoever
 * mounted it may be hostile. The other end is asked of the master, never opened by its path.
 */
int pty_open(int devpts, int *ret_master, int *ret_slave, struct err *err);

/* Another descriptor of the slave. */
int pty_open_slave(int master);

int pty_resize(int fd, uint16_t rows, uint16_t columns);

/* Makes it the calling process's controlling terminal (a session leader without one). */
int pty_take(int slave);

#endif
