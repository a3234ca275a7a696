/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/* Bytes of the valid UTF-8 sequence that s begins with (1 to 4; RFC 3629: no surrogates, nothing
 * overlong, nothing above U+10FFFF), or 0 if it begins with none. */
size_t utf8_sequence(const char *s);

/* True if the whole string is valid. */
int utf8_valid(const char *s);

#endif
