/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_NET_H
#define GUEST_NET_H

#include <stdint.h>

#include "base/err.h"

/* The machine's network, as the kernel has it; nothing of the image is asked for it or changed. */

/* A kernel without networks is fine. */
int net_loopback_up(struct err *err);

/*
 * Finds a card for each line (struct nic_setup as text) by its address, waiting for it as uevent_wait() does, and makes
 * it what the line says: name, MTU, addresses, routes, up. Cards of no line are left alone. An init system that sets up
 * networks of its own goes on from there.
 */
int net_set_up(char *const *nics, int uevents, int64_t timeout_ms, struct err *err);

/* 1 and the name of the interface that was made with that address, whatever it has now; or 0. name: NIC_NAME_MAX. */
int net_find(const uint8_t mac[6], char *name);

/* Ports below 1024, and ping, are for everybody, as in a container. A kernel that cannot is fine. */
void net_open_to_all(void);

#endif
