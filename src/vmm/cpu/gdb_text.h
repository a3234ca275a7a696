/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_CPU_GDB_TEXT_H
#define VMM_CPU_GDB_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The text inside of packets: a cursor over what came, and hexadecimal bytes. */
struct gdb_text {
	const char *at, *end;
};

/* 0 to 15, or -1. */
int gdb_text_digit(char c);

size_t gdb_text_left(const struct gdb_text *text);
/* Passes over c: 1 if it was there. */
int gdb_text_skip(struct gdb_text *text, char c);
/* A number in 1 to 16 digits: 0 or -EINVAL, and the cursor is anywhere. */
int gdb_text_number(struct gdb_text *text, uint64_t *ret);
/* Exactly len bytes in two digits each: 0 or -EINVAL. */
int gdb_text_bytes(struct gdb_text *text, void *ret, size_t len);
/* Exactly len bytes to the end of the text, of which some are escaped: 0 or -EINVAL. */
int gdb_text_binary(struct gdb_text *text, void *ret, size_t len);

void gdb_text_put_bytes(struct buf *out, const void *data, size_t len);

#endif
