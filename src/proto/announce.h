/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_ANNOUNCE_H
#define PROTO_ANNOUNCE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/nic.h"

/*
 * What an interface says to all on its link when it has its addresses: who knew them with another's address on the wire,
 * as of an instance that is gone, forgets that one, which it would keep for as long as half a minute. An announcement of ARP (RFC
 * 5227), and an unsolicited neighbour advertisement (RFC 4861, 7.2.6).
 */
#define ANNOUNCE_FRAME_MAX 86

/* The frame's length; 0: it has no address of that family. */
size_t announce_ip(const struct nic_setup *setup, uint8_t ret[ANNOUNCE_FRAME_MAX]);
size_t announce_ip6(const struct nic_setup *setup, uint8_t ret[ANNOUNCE_FRAME_MAX]);

/*
 * Sends both out of the interface with that index, which is up. sock: of AF_PACKET and SOCK_RAW, of its namespace. What is
 * not sent is made up for by the neighbours, later.
 */
void announce_send(int sock, int index, const struct nic_setup *setup);

#endif
