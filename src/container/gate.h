/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_GATE_H
#define CONTAINER_GATE_H

#include "base/err.h"

/*
 * Where a container that is created, and whose creator is gone, waits to be started: a listening
 * SOCK_SEQPACKET socket in the folder dirfd. Its first process holds the socket; who connects starts it, and
 * hears over the connection what became of it (container/inner.h).
 */
#define GATE_NAME_MAX 32

int gate_listen(int dirfd, const char *name, struct err *err);
/* A connection. -ECONNREFUSED: whoever waited there is gone; -ENOENT: nobody has waited. No message. */
int gate_connect(int dirfd, const char *name);
/* In the first process: waits for somebody, as long as it takes. */
int gate_accept(int gate, struct err *err);

#endif
