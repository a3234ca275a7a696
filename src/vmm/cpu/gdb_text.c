// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/gdb_text.h"

#define GDB_TEXT_DIGITS 16
#define GDB_TEXT_ESCAPE '}'
#define GDB_TEXT_FLIP	0x20

int gdb_text_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

size_t gdb_text_left(const struct gdb_text *text)
{
	return (size_t)(text->end - text->at);
}

int gdb_text_skip(struct gdb_text *text, char c)
{
	if (text->at == text->end || *text->at != c)
		return 0;
	text->at++;
	return 1;
}

int gdb_text_number(struct gdb_text *text, uint64_t *ret)
{
	uint64_t value = 0;
	int n = 0, digit;

	for (; text->at < text->end && (digit = gdb_text_digit(*text->at)) >= 0; text->at++) {
		if (++n > GDB_TEXT_DIGITS)
			return -EINVAL;
		value = value << 4 | (uint64_t)digit;
	}
	if (!n)
		return -EINVAL;
	*ret = value;
	return 0;
}

int gdb_text_bytes(struct gdb_text *text, void *ret, size_t len)
{
	uint8_t *to = ret;

	if (gdb_text_left(text) / 2 < len)
		return -EINVAL;
	for (size_t i = 0; i < len; i++, text->at += 2) {
		int high = gdb_text_digit(text->at[0]), low = gdb_text_digit(text->at[1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

int gdb_text_binary(struct gdb_text *text, void *ret, size_t len)
{
	uint8_t *to = ret;
	size_t n = 0;

	while (text->at < text->end) {
		int escaped = gdb_text_skip(text, GDB_TEXT_ESCAPE);

		if (text->at == text->end || n == len)
			return -EINVAL;
		to[n++] = (uint8_t)(*text->at++ ^ (escaped ? GDB_TEXT_FLIP : 0));
	}
	return n == len ? 0 : -EINVAL;
}

void gdb_text_put_bytes(struct buf *out, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = data;

	buf_reserve(out, len * 2);
	for (size_t i = 0; i < len; i++)
		buf_add(out, (char[]){ digits[from[i] >> 4], digits[from[i] & 15] }, 2);
}
