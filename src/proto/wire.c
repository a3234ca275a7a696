// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/wire.h"
#include "base/mem.h"

#include <string.h>

static void wire_put(struct buf *buf, uint64_t value, size_t size)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	buf_add(buf, bytes, size);
}

void wire_put_u8(struct buf *buf, uint8_t value)
{
	wire_put(buf, value, 1);
}

void wire_put_u16(struct buf *buf, uint16_t value)
{
	wire_put(buf, value, 2);
}

void wire_put_u32(struct buf *buf, uint32_t value)
{
	wire_put(buf, value, 4);
}

void wire_put_u64(struct buf *buf, uint64_t value)
{
	wire_put(buf, value, 8);
}

void wire_put_bytes(struct buf *buf, const void *data, size_t len)
{
	wire_put_u32(buf, (uint32_t)len);
	buf_add(buf, data, len);
}

void wire_put_str(struct buf *buf, const char *s)
{
	wire_put_bytes(buf, s ? s : "", s ? strlen(s) : 0);
}

void wire_put_strv(struct buf *buf, char *const *v)
{
	wire_put_u32(buf, (uint32_t)strv_len(v));
	strv_for_each(s, v)
		wire_put_str(buf, *s);
}

static const uint8_t *wire_take(struct wire_reader *r, size_t size)
{
	const uint8_t *p = r->p;

	if (r->bad || size > r->left) {
		r->bad = 1;
		return NULL;
	}
	r->p += size;
	r->left -= size;
	return p;
}

static uint64_t wire_get(struct wire_reader *r, size_t size)
{
	const uint8_t *p = wire_take(r, size);
	uint64_t value = 0;

	for (size_t i = 0; p && i < size; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

uint8_t wire_get_u8(struct wire_reader *r)
{
	return (uint8_t)wire_get(r, 1);
}

uint16_t wire_get_u16(struct wire_reader *r)
{
	return (uint16_t)wire_get(r, 2);
}

uint32_t wire_get_u32(struct wire_reader *r)
{
	return (uint32_t)wire_get(r, 4);
}

uint64_t wire_get_u64(struct wire_reader *r)
{
	return wire_get(r, 8);
}

const uint8_t *wire_get_bytes(struct wire_reader *r, size_t *ret_len)
{
	uint32_t len = wire_get_u32(r);
	const uint8_t *p = wire_take(r, len);

	*ret_len = p ? len : 0;
	return p;
}

char *wire_get_str(struct wire_reader *r)
{
	size_t len = 0;
	const uint8_t *p = wire_get_bytes(r, &len);

	if (p && len && memchr(p, 0, len))
		r->bad = 1;
	return p && len && !r->bad ? mem_strndup((const char *)p, len) : mem_strdup("");
}

char **wire_get_strv(struct wire_reader *r)
{
	uint32_t count = wire_get_u32(r);
	char **v = NULL;

	/* each string has at least its length, which bounds the allocation by what was received */
	if (count > r->left / 4)
		r->bad = 1;
	v = r->bad || !count ? NULL : mem_zalloc((count + 1) * sizeof(char *));
	for (uint32_t i = 0; v && i < count; i++)
		v[i] = wire_get_str(r);
	return v;
}

int wire_end(const struct wire_reader *r)
{
	return r->bad || r->left ? -EBADMSG : 0;
}
