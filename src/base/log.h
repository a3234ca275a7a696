/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/take.h"

/*
 * Lines on stderr, "brig: text". Only a role's top reports errors; rooms below it log at debug level
 * alone. Secrets (environment values, passwords) never reach a log call.
 *
 * A role that an engine calls may have a log file too: then errors and notices go to both, and debug lines
 * to the file alone, since stderr may be that of the workload.
 */

enum log_format {
	LOG_PLAIN, /* "brig: text" */
	LOG_TEXT,  /* time="2026-01-31T10:00:00Z" level=error msg="text" */
	LOG_JSON,  /* {"level":"error","msg":"text","time":"2026-01-31T10:00:00Z"} */
};

/* What stands before the colon on stderr. name stays the caller's. */
void log_set_program(const char *name);
/* fd stays open, and the caller's; -1: no file. The format is the file's, or without one that of stderr. */
void log_set_file(int fd, enum log_format format);

/* Shows debug lines too (--debug or BRIG_DEBUG=1). */
void log_set_debug(int on);
int log_is_debug(void);

void log_error(const char *fmt, ...) _printf_(1, 2);
void log_notice(const char *fmt, ...) _printf_(1, 2);
void log_debug(const char *fmt, ...) _printf_(1, 2);

#endif
