/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_CONSOLE_H
#define OCI_CONSOLE_H

#include "base/err.h"

/*
 * The protocol of --console-socket that engines listen for: one message over the stream socket at path, the
 * terminal's name with its master as the only descriptor.
 */
int console_send(const char *path, int master, struct err *err);

#endif
