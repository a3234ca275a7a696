// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/log.h"
#include "base/units.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <string.h>

static int log_debug_on;
static const char *log_program = "brig";
static int log_fd = -1;
static enum log_format log_format = LOG_PLAIN;

void log_set_debug(int on)
{
	log_debug_on = on;
}

int log_is_debug(void)
{
	return log_debug_on;
}

void log_set_program(const char *name)
{
	log_program = name;
}

void log_set_file(int fd, enum log_format format)
{
	log_fd = fd;
	log_format = format;
}

/* Messages carry bytes of guests and images, which must not reach a terminal as commands. */
static void log_clean(char *line)
{
	for (; *line; line++) {
		if ((unsigned char)*line < ' ' || *line == 0x7f)
			*line = '?';
	}
}

#define LOG_LINE_MAX 1024

/* The text as JSON wants it between quotation marks; control bytes are out already. */
static void log_quote(const char *text, char quoted[2 * LOG_LINE_MAX])
{
	size_t n = 0;

	while (*text) {
		size_t len = utf8_sequence(text);

		if (*text == '"' || *text == '\\')
			quoted[n++] = '\\';
		if (!len)
			quoted[n++] = '?';
		for (size_t i = 0; i < len; i++)
			quoted[n++] = text[i];
		text += len ? len : 1;
	}
	quoted[n] = '\0';
}

/* One write per line, so that lines of several processes do not mix; no allocation, for after a fork. */
static void log_write(int fd, enum log_format format, const char *level, const char *text)
{
	char line[3 * LOG_LINE_MAX], quoted[2 * LOG_LINE_MAX], time[UNITS_TEXT_MAX];
	size_t used;

	if (format == LOG_PLAIN) {
		snprintf(line, LOG_LINE_MAX - 1, "%s: %s", log_program, text);
	} else {
		log_quote(text, quoted);
		units_format_time(units_now(), time);
		snprintf(line, sizeof(line) - 1,
			 format == LOG_JSON
				 ? "{\"level\":\"%1$s\",\"msg\":\"%2$s\",\"time\":\"%3$s\"}"
				 : "time=\"%3$s\" level=%1$s msg=\"%2$s\"",
			 level, quoted, time);
	}
	used = strlen(line);
	line[used++] = '\n';
	if (write(fd, line, used) < 0)
		return;
}

static void log_line(const char *level, int everywhere, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	log_clean(text);
	if (log_fd >= 0)
		log_write(log_fd, log_format, level, text);
	if (log_fd < 0 || everywhere)
		log_write(STDERR_FILENO, log_fd < 0 ? log_format : LOG_PLAIN, level, text);
}

void log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line("error", 1, fmt, ap);
	va_end(ap);
}

void log_notice(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line("info", 1, fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!log_debug_on)
		return;
	va_start(ap, fmt);
	log_line("debug", 0, fmt, ap);
	va_end(ap);
}
