/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/strv.h"

/*
 * Values inside a frame's payload: little-endian integers; strings and byte runs as u32 length and
 * bytes; a vector as u32 count and strings. A reader that runs past its end or meets a string with a NUL
 * in it sets bad and yields zeros from then on, so callers check once, at the end.
 */
void wire_put_u8(struct buf *buf, uint8_t value);
void wire_put_u16(struct buf *buf, uint16_t value);
void wire_put_u32(struct buf *buf, uint32_t value);
void wire_put_u64(struct buf *buf, uint64_t value);
void wire_put_bytes(struct buf *buf, const void *data, size_t len);
void wire_put_str(struct buf *buf, const char *s); /* NULL is sent as "" */
void wire_put_strv(struct buf *buf, char *const *v);

struct wire_reader {
	const uint8_t *p;
	size_t left;
	int bad;
};

static inline struct wire_reader wire_read(const void *data, size_t len)
{
	return (struct wire_reader){ .p = data, .left = len };
}

uint8_t wire_get_u8(struct wire_reader *r);
uint16_t wire_get_u16(struct wire_reader *r);
uint32_t wire_get_u32(struct wire_reader *r);
uint64_t wire_get_u64(struct wire_reader *r);
/* inside of what is read; NULL and 0 when bad */
const uint8_t *wire_get_bytes(struct wire_reader *r, size_t *ret_len);
char *wire_get_str(struct wire_reader *r);   /* caller frees; "" when bad */
char **wire_get_strv(struct wire_reader *r); /* caller frees */
/* 0 if everything was read and nothing was wrong, else -EBADMSG. */
int wire_end(const struct wire_reader *r);

#endif
