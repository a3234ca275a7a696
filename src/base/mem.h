/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/take.h"

/*
 * Allocation that cannot fail: the role's process ends when memory does. For sizes of our own making;
 * a size from outside is bounded first and uses malloc() with its result checked.
 */
void *mem_zalloc(size_t size);
void *mem_realloc(void *p, size_t count, size_t size);
char *mem_strdup(const char *s); /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) _printf_(1, 2);

/* Replaces *s by a copy of value. */
void mem_replace(char **s, const char *value);

#endif
