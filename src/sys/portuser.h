/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_PORTUSER_H
#define SYS_PORTUSER_H

#include <stdint.h>

/*
 * Who keeps others from a port of an address in our network namespace, because he has bound it or the port of all
 * addresses: "named (pid 12), unbound (pid 7)", for a message; at most PORTUSER_MAX of them. NULL: nobody, or nobody that
 * the caller may look at. The caller frees. type: SOCK_STREAM, of which only listening ones count, or SOCK_DGRAM;
 * address: of family, or NULL for the sockets of all addresses alone.
 */
#define PORTUSER_MAX 3

char *portuser_find(int type, int family, const void *address, uint16_t port);

#endif
