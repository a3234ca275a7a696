// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/log.h"

#include <stdarg.h>
#include <string.h>

static int log_debug_on;

void log_set_debug(int on)
{
	log_debug_on = on;
}

int log_is_debug(void)
{
	return log_debug_on;
}

/* Messages carry bytes of guests and images, which must not reach a terminal as commands. */
static void log_clean(char *line)
{
	for (; *line; line++) {
		if ((unsigned char)*line < ' ' || *line == 0x7f)
			*line = '?';
	}
}

/* One write per line, so that lines of several processes do not mix. */
static void log_line(const char *fmt, va_list ap)
{
	char line[1024];
	size_t used;

	memcpy(line, "brig: ", 6);
	vsnprintf(line + 6, sizeof(line) - 7, fmt, ap);
	log_clean(line);
	used = strlen(line);
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return;
}

void log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(fmt, ap);
	va_end(ap);
}

void log_notice(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!log_debug_on)
		return;
	va_start(ap, fmt);
	log_line(fmt, ap);
	va_end(ap);
}
