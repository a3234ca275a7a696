/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/take.h"

#include <stddef.h>

/* A growing array of bytes. data is NUL-terminated past len once anything was added. */
struct buf {
	char *data;
	size_t len;
	size_t size;
};

#define BUF_INIT ((struct buf){ 0 })

void buf_release(struct buf *buf); /* frees; the buffer is empty and usable again */
void buf_reserve(struct buf *buf, size_t extra);
void buf_add(struct buf *buf, const void *data, size_t len);
void buf_add_str(struct buf *buf, const char *s);
void buf_printf(struct buf *buf, const char *fmt, ...) _printf_(2, 3);
void buf_consume(struct buf *buf, size_t len); /* drops the first len bytes */
char *buf_take(struct buf *buf);	       /* the bytes as a string; caller frees */

#define _cleanup_buf_ _cleanup_(buf_release)

#endif
