// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/buf.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

void buf_release(struct buf *buf)
{
	free(buf->data);
	*buf = BUF_INIT;
}

void buf_reserve(struct buf *buf, size_t extra)
{
	size_t need;

	/* What no memory can hold ends the process there, rather than wrapping around here. */
	if (__builtin_add_overflow(buf->len, extra, &need) || need > SIZE_MAX / 2)
		need = SIZE_MAX / 2;
	if (need < buf->size)
		return;
	buf->size = need < 256 ? 256 : need + need / 2 + 1;
	buf->data = mem_realloc(buf->data, buf->size, 1);
	buf->data[buf->len] = '\0';
}

void buf_add(struct buf *buf, const void *data, size_t len)
{
	buf_reserve(buf, len);
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void buf_add_str(struct buf *buf, const char *s)
{
	buf_add(buf, s, strlen(s));
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap, again;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len > 0) {
		buf_reserve(buf, (size_t)len);
		vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, again);
		buf->len += (size_t)len;
	}
	va_end(again);
}

void buf_consume(struct buf *buf, size_t len)
{
	if (len >= buf->len) {
		buf->len = 0;
	} else {
		memmove(buf->data, buf->data + len, buf->len - len);
		buf->len -= len;
	}
	if (buf->data)
		buf->data[buf->len] = '\0';
}

char *buf_take(struct buf *buf)
{
	char *s = buf->data ? take_ptr(buf->data) : mem_strdup("");

	*buf = BUF_INIT;
	return s;
}
