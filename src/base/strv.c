// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/strv.h"
#include "base/buf.h"
#include "base/mem.h"

#include <stdarg.h>
#include <string.h>

char **strv_free(char **v)
{
	strv_for_each(s, v)
		free(*s);
	free(v);
	return NULL;
}

size_t strv_len(char *const *v)
{
	size_t n = 0;

	strv_for_each(s, v)
		n++;
	return n;
}

void strv_add_take(char ***v, char *s)
{
	size_t n = strv_len(*v);

	*v = mem_realloc(*v, n + 2, sizeof(char *));
	(*v)[n] = s;
	(*v)[n + 1] = NULL;
}

void strv_add(char ***v, const char *s)
{
	strv_add_take(v, mem_strdup(s));
}

void strv_add_printf(char ***v, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	strv_add_take(v, s ? s : mem_strdup(""));
}

char **strv_dup(char *const *v)
{
	size_t n = strv_len(v);
	char **copy = n ? mem_zalloc((n + 1) * sizeof(*copy)) : NULL;

	for (size_t i = 0; i < n; i++)
		copy[i] = mem_strdup(v[i]);
	return copy;
}

int strv_has(char *const *v, const char *s)
{
	strv_for_each(p, v) {
		if (!strcmp(*p, s))
			return 1;
	}
	return 0;
}

int strv_same(char *const *a, char *const *b)
{
	size_t n = strv_len(a);

	if (n != strv_len(b))
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(a[i], b[i]) != 0)
			return 0;
	}
	return 1;
}

char **strv_split(const char *s, const char *separators)
{
	char **v = NULL;

	while (*s) {
		size_t len = strcspn(s, separators);

		if (len)
			strv_add_take(&v, mem_strndup(s, len));
		s += len;
		s += strspn(s, separators);
	}
	return v;
}

static int strv_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(char **v)
{
	if (v)
		qsort(v, strv_len(v), sizeof(*v), strv_compare);
}

char *strv_join(char *const *v, const char *separator)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;

	strv_for_each(s, v) {
		if (s != v)
			buf_add_str(&buf, separator);
		buf_add_str(&buf, *s);
	}
	return buf_take(&buf);
}

static size_t strv_key_len(const char *assignment)
{
	return strcspn(assignment, "=");
}

const char *strv_env_get(char *const *env, const char *key)
{
	size_t len = strlen(key);

	strv_for_each(s, env) {
		if (strv_key_len(*s) == len && (*s)[len] == '=' && !memcmp(*s, key, len))
			return *s + len + 1;
	}
	return NULL;
}

void strv_env_set(char ***env, const char *assignment)
{
	size_t len = strv_key_len(assignment);

	for (char **s = *env; s && *s; s++) {
		if (strv_key_len(*s) == len && !memcmp(*s, assignment, len)) {
			mem_replace(s, assignment);
			return;
		}
	}
	strv_add(env, assignment);
}
