// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"

#include <stdarg.h>
#include <string.h>

static void *mem_check(void *p)
{
	if (!p) {
		static const char text[] = "brig: out of memory\n";

		if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
			_exit(125);
		_exit(125);
	}
	return p;
}

void *mem_zalloc(size_t size)
{
	return mem_check(calloc(1, size ? size : 1));
}

void *mem_realloc(void *p, size_t count, size_t size)
{
	return mem_check(reallocarray(p, count ? count : 1, size));
}

char *mem_strdup(const char *s)
{
	return s ? mem_check(strdup(s)) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
	return mem_check(strndup(s, n));
}

char *mem_printf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return mem_check(s);
}

void mem_replace(char **s, const char *value)
{
	char *copy = mem_strdup(value);

	free(*s);
	*s = copy;
}
