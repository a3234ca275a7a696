/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_CPU_GDB_PACKET_H
#define VMM_CPU_GDB_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * Packets of GDB's remote serial protocol (GDB's manual, "Remote Protocol: Overview"): $BYTES#SUM, with
 * acknowledgements and the interrupt character between them. What comes in is bounded; what it says is
 * not looked at here.
 */

/* Bytes of a packet, without frame: what PacketSize tells the debugger. */
#define GDB_PACKET_MAX 4096

enum gdb_packet_event {
	GDB_PACKET_NOTHING, /* not whole yet */
	GDB_PACKET_WHOLE,
	GDB_PACKET_BROKEN,    /* the sum is wrong */
	GDB_PACKET_TOO_LONG,  /* more than GDB_PACKET_MAX bytes */
	GDB_PACKET_INTERRUPT, /* Ctrl-C */
	GDB_PACKET_AGAIN,     /* the other side wants the last one again */
};

/* All zero at first. data is NUL-terminated past len when an event says that it is whole, and holds until
 * the next byte; a NUL inside is one of the packet's. */
struct gdb_packet {
	enum { GDB_PACKET_OUTSIDE, GDB_PACKET_INSIDE, GDB_PACKET_SUM1, GDB_PACKET_SUM2 } state;
	int too_long;
	uint8_t sum, said;
	size_t len;
	char data[GDB_PACKET_MAX + 1];
};

enum gdb_packet_event gdb_packet_feed(struct gdb_packet *packet, char c);

/* Adds a whole packet, with what must be escaped in binary data escaped. */
void gdb_packet_put(struct buf *out, const char *data, size_t len);

#endif
