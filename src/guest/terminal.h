/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_TERMINAL_H
#define GUEST_TERMINAL_H

#include <stdint.h>

#include "base/err.h"

/* A terminal of the instance's own /dev/pts. Both ends are the caller's; the master does not block. */
int terminal_open(uint16_t rows, uint16_t columns, int *ret_master, int *ret_slave,
		  struct err *err);

/* Another descriptor of the slave, or -errno. */
int terminal_open_slave(int master);

/* Makes the slave /dev/console of the calling process' mount namespace. */
int terminal_bind_console(int slave, struct err *err);

/* Makes the slave the controlling terminal and stdio of the calling session leader. */
int terminal_attach(int slave, struct err *err);

void terminal_resize(int master, uint16_t rows, uint16_t columns);

/* The character that ends the input (^D, unless it was changed), or 0 if there is none now. */
char terminal_eof_character(int master);

#endif
