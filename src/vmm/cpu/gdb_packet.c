// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/gdb_packet.h"
#include "vmm/cpu/gdb_text.h"

#define GDB_PACKET_INTERRUPT_CHAR 0x03
#define GDB_PACKET_ESCAPE	  '}'
#define GDB_PACKET_FLIP		  0x20 /* what an escaped byte is combined with */

static enum gdb_packet_event gdb_packet_outside(struct gdb_packet *packet, char c)
{
	switch (c) {
	case '$':
		packet->state = GDB_PACKET_INSIDE;
		packet->len = 0;
		packet->sum = 0;
		packet->too_long = 0;
		return GDB_PACKET_NOTHING;
	case GDB_PACKET_INTERRUPT_CHAR:
		return GDB_PACKET_INTERRUPT;
	case '-':
		return GDB_PACKET_AGAIN;
	default: /* '+', and noise, which the protocol has us pass over */
		return GDB_PACKET_NOTHING;
	}
}

static void gdb_packet_inside(struct gdb_packet *packet, char c)
{
	if (c == '#') {
		packet->state = GDB_PACKET_SUM1;
		return;
	}
	packet->sum = (uint8_t)(packet->sum + (uint8_t)c);
	if (packet->len == GDB_PACKET_MAX)
		packet->too_long = 1;
	else
		packet->data[packet->len++] = c;
}

static enum gdb_packet_event gdb_packet_end(struct gdb_packet *packet, int digit)
{
	packet->state = GDB_PACKET_OUTSIDE;
	packet->data[packet->len] = '\0';
	if (digit < 0 || packet->said > 15 || (packet->said << 4 | digit) != packet->sum)
		return GDB_PACKET_BROKEN;
	return packet->too_long ? GDB_PACKET_TOO_LONG : GDB_PACKET_WHOLE;
}

enum gdb_packet_event gdb_packet_feed(struct gdb_packet *packet, char c)
{
	switch (packet->state) {
	case GDB_PACKET_INSIDE:
		gdb_packet_inside(packet, c);
		return GDB_PACKET_NOTHING;
	case GDB_PACKET_SUM1:
		packet->said = (uint8_t)gdb_text_digit(c); /* none: more than 15 */
		packet->state = GDB_PACKET_SUM2;
		return GDB_PACKET_NOTHING;
	case GDB_PACKET_SUM2:
		return gdb_packet_end(packet, gdb_text_digit(c));
	case GDB_PACKET_OUTSIDE:
	default:
		return gdb_packet_outside(packet, c);
	}
}

static int gdb_packet_is_special(char c)
{
	return c == '$' || c == '#' || c == GDB_PACKET_ESCAPE || c == '*';
}

void gdb_packet_put(struct buf *out, const char *data, size_t len)
{
	uint8_t sum = 0;
	size_t start;

	buf_reserve(out, len + 4);
	buf_add(out, "$", 1);
	start = out->len;
	for (size_t i = 0; i < len; i++) {
		char c = data[i];

		if (gdb_packet_is_special(c)) {
			buf_add(out, &(char){ GDB_PACKET_ESCAPE }, 1);
			c = (char)(c ^ GDB_PACKET_FLIP);
		}
		buf_add(out, &c, 1);
	}
	for (size_t i = start; i < out->len; i++)
		sum = (uint8_t)(sum + (uint8_t)out->data[i]);
	buf_printf(out, "#%02x", sum);
}
