/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_NETNS_H
#define SYS_NETNS_H

#include "base/err.h"

/*
 * socket(2) in a network namespace: that of the descriptor netns, or ours if it is negative. It belongs there, wherever we
 * are later. The calling thread is there for a moment, so there is to be no other. The descriptor (caller closes, O_CLOEXEC)
 * or -errno.
 */
int netns_socket(int netns, int domain, int type, int protocol, struct err *err);

#endif
