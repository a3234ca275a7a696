/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_STRV_H
#define BASE_STRV_H

#include "base/take.h"

#include <stddef.h>

/* A NULL-terminated vector of owned strings, as argv and environ have it. NULL is the empty one. */

char **strv_free(char **v); /* returns NULL */
size_t strv_len(char *const *v);
void strv_add(char ***v, const char *s);
void strv_add_take(char ***v, char *s);
void strv_add_printf(char ***v, const char *fmt, ...) _printf_(2, 3);
char **strv_dup(char *const *v);
int strv_has(char *const *v, const char *s);
int strv_same(char *const *a, char *const *b); /* as many, and the same in the same order */
/* Pieces of s between any of the characters of separators; empty pieces are left out. */
char **strv_split(const char *s, const char *separators);
/* By their bytes. */
void strv_sort(char **v);
char *strv_join(char *const *v, const char *separator);

/* KEY=VALUE vectors: the value of key or NULL; replacing or adding an assignment. */
const char *strv_env_get(char *const *env, const char *key);
void strv_env_set(char ***env, const char *assignment);

static inline void strv_freep(char ***v)
{
	*v = strv_free(*v);
}

#define _cleanup_strv_	    _cleanup_(strv_freep)
#define strv_for_each(s, v) for (char *const *s = (v); s && *s; s++)

#endif
