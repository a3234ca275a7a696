/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_SERIAL_H
#define INSTANCE_SERIAL_H

#include "base/err.h"

/*
 * What a VM's kernel and boot say on its serial port. The port is for reading alone: the keeper holds its other
 * end and keeps the last of it in a bounded file (proto/console.h).
 */

/*
 * Writes to out what was kept, and goes on with what comes until the keeper that holds run_lock (RUN/NAME/lock)
 * ends; at once if there is none. -ENOENT if the VM was never started.
 */
int serial_follow(const char *state_dir, const char *run_lock, int out, struct err *err);

#endif
